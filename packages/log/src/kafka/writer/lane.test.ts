import { must } from "@millrace/runtime";
import { FakeClock } from "@millrace/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import type { AppendOutcome, SettledOutcome } from "../../port.ts";
import { KAFKA_ERRORS } from "../protocol/error-codes.ts";
import { Lane } from "./lane.ts";

const PARTITION = 3;
const EPOCH = { id: "AAAAAAAA", partitions: 12 } as Lane["epoch"];
const APPENDED_AT_MS = 1_700_000_000_000;

let clock: FakeClock;
let lane: Lane;
let told: string[];
let settled: string[];

beforeEach(() => {
  clock = new FakeClock();
  lane = new Lane(PARTITION, EPOCH, clock);
  lane.prepared({ producerId: 7n, producerEpoch: 0 }, 100n);
  told = [];
  settled = [];
});

describe("a lane", () => {
  it("sends the very same bytes again while it does not know", () => {
    append("a", "b");
    const first = must(lane.batchToSend(), "a batch");
    expect(lane.failed(true)).toBe("retry");
    append("c");
    expect(must(lane.batchToSend(), "the same batch").equals(first)).toBe(true);
    expect(answer(KAFKA_ERRORS.NOT_LEADER_OR_FOLLOWER)).toBe("retry");
    expect(must(lane.batchToSend(), "the same batch").equals(first)).toBe(true);
    expect(told).toEqual([]);
    expect(answer(KAFKA_ERRORS.NONE, 100n)).toBe("go-on");
    expect(told).toEqual(["a appended 100", "b appended 101"]);
  });

  it("takes no refusal at its word after an attempt that may have been appended", () => {
    append("a");
    lane.batchToSend();
    lane.failed(true);
    expect(answer(KAFKA_ERRORS.NOT_ENOUGH_REPLICAS)).toBe("retry");
    expect(answer(KAFKA_ERRORS.MESSAGE_TOO_LARGE)).toBe("settle");
    expect(told).toEqual([]);
  });

  it("denies at the deadline what no attempt can have brought into the log", async () => {
    append("a");
    lane.batchToSend();
    expect(answer(KAFKA_ERRORS.NOT_ENOUGH_REPLICAS)).toBe("retry");
    expect(lane.isSettled).toBe(true);
    await clock.advance(5_000);
    expect(told).toEqual(["a not-appended"]);
  });

  it("tells unknown at the deadline, and later what it was", async () => {
    append("a", "b");
    lane.batchToSend();
    lane.failed(true);
    await clock.advance(5_000);
    expect(told).toEqual(["a unknown", "b unknown"]);
    answer(KAFKA_ERRORS.NONE, 100n);
    expect(settled).toEqual(["a appended 100", "b appended 101"]);
    expect(told).toHaveLength(2);
  });

  it("takes another producer for a batch that a forgetful broker has surely not appended", () => {
    append("a");
    lane.batchToSend();
    expect(answer(KAFKA_ERRORS.UNKNOWN_PRODUCER_ID)).toBe("retry");
    expect(lane.isPrepared).toBe(false);
    lane.prepared({ producerId: 8n, producerEpoch: 0 }, 500n);
    expect(lane.settledEnd).toBe(100n);
    lane.batchToSend();
    answer(KAFKA_ERRORS.NONE, 100n);
    expect(told).toEqual(["a appended 100"]);
  });

  it("finds what a forgotten producer has appended, and sends nothing of it again", () => {
    append("a", "b");
    lane.batchToSend();
    lane.failed(true);
    expect(answer(KAFKA_ERRORS.OUT_OF_ORDER_SEQUENCE_NUMBER)).toBe("settle");
    append("c");
    lane.settled(
      new Map([
        ["a", { offset: 140n, timestampMs: APPENDED_AT_MS }],
        ["b", { offset: 141n, timestampMs: APPENDED_AT_MS }],
      ]),
    );
    expect(told).toEqual(["a appended 140", "b appended 141"]);
    expect(lane.settledEnd).toBe(142n);
    expect(lane.hasWork).toBe(true);
  });

  it("sends again, in order, what a forgotten producer has not appended", () => {
    append("a", "b");
    lane.batchToSend();
    lane.failed(true);
    answer(KAFKA_ERRORS.OUT_OF_ORDER_SEQUENCE_NUMBER);
    append("c");
    lane.settled(new Map());
    lane.prepared({ producerId: 8n, producerEpoch: 0 }, 500n);
    lane.batchToSend();
    answer(KAFKA_ERRORS.NONE, 100n);
    expect(told).toEqual(["a appended 100", "b appended 101", "c appended 102"]);
  });

  it("denies what was told unknown when the log turns out not to hold it", async () => {
    append("a");
    lane.batchToSend();
    lane.failed(true);
    await clock.advance(5_000);
    answer(KAFKA_ERRORS.OUT_OF_ORDER_SEQUENCE_NUMBER);
    lane.settled(new Map());
    expect(told).toEqual(["a unknown"]);
    expect(settled).toEqual(["a not-appended"]);
  });

  it("is full at its bound, and says so in order, after the append has returned", async () => {
    const megabyte = new Uint8Array(1_048_576);
    for (let index = 0; index < 9; index++) append(`${index}`, { value: megabyte });
    expect(told).toEqual([]);
    await clock.advance(5_000);
    expect(told).toEqual(Array.from({ length: 9 }, (_, index) => `${index} not-appended`));
  });

  it("ends with its incarnation: nothing of it will ever be in the log", () => {
    append("a");
    lane.batchToSend();
    lane.failed(true);
    append("b");
    lane.end("made anew", { alsoSent: true });
    expect(told).toEqual(["a not-appended", "b not-appended"]);
  });
});

/** Each name is also the mark by which its record is found. */
function append(...names: readonly (string | { readonly value: Uint8Array })[]): void {
  const values = names.filter((name) => typeof name !== "string");
  for (const name of names) {
    if (typeof name !== "string") continue;
    const value = values[0]?.value ?? Buffer.from(name);
    lane.append(
      {
        partition: PARTITION,
        key: Buffer.from("key"),
        value,
        headers: [],
        deadlineMs: clock.nowMs() + 5_000,
        onOutcome: (outcome) => void told.push(line(name, outcome)),
        onSettled: (outcome) => void settled.push(line(name, outcome)),
      },
      name,
    );
  }
}

function line(name: string, outcome: AppendOutcome | SettledOutcome): string {
  return outcome.kind === "appended"
    ? `${name} appended ${outcome.offset}`
    : `${name} ${outcome.kind}`;
}

function answer(errorCode: number, baseOffset = -1n) {
  return lane.took({ partition: PARTITION, errorCode, baseOffset, appendTimeMs: APPENDED_AT_MS });
}
