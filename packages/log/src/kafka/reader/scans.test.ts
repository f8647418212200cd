import type { EpochId } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { beforeEach, expect, it } from "vitest";
import { ChunkCache } from "../../chunk-cache.ts";
import type { ReadOutcome, ReadRequest } from "../../port.ts";
import type { KafkaLink } from "../link.ts";
import { KAFKA_ERRORS } from "../protocol/error-codes.ts";
import type { FetchJudge } from "./fetch-judge.ts";
import { Scans } from "./scans.ts";

const EPOCH = "epoch-01" as EpochId;
const CHUNK_OFFSETS = 10n;
const END = 1_000n;

let clock: FakeClock;
let fetches: number;
/** What decoding one chunk takes. */
let decodeMs: number;
let scans: Scans;

/** The broker answers at the end of a turn, ten records a fetch. */
beforeEach(() => {
  clock = new FakeClock();
  fetches = 0;
  decodeMs = 0;
  const cache = new ChunkCache({ bytesMax: 1_000_000 });
  const send = (): Promise<unknown> => {
    fetches++;
    const answer = { partitions: [{ partition: 0, errorCode: KAFKA_ERRORS.NONE }] };
    return new Promise((resolve) => clock.endOfTurn(() => resolve(answer)));
  };
  const link = { clock, topicId: "id", leaderOf: () => 1, channel: () => ({ send }) };
  const judge = {
    otherEpoch: () => undefined,
    chunk: ({ offset: from, ...place }: ReadRequest): ReadOutcome => {
      clock.freeze(decodeMs);
      const next = from + CHUNK_OFFSETS < END ? from + CHUNK_OFFSETS : END;
      const chunk = { ...place, from, next, records: [], bytes: 0, endOffset: END };
      cache.put(chunk);
      return { kind: "chunk", ...chunk };
    },
  };
  scans = new Scans({
    cache,
    link: link as unknown as KafkaLink,
    judge: judge as unknown as FetchJudge,
  });
});

function read(offset: bigint): Promise<ReadOutcome> {
  return scans.read({ partition: 0, offset, epoch: EPOCH, waitMs: 0, bytesMax: 1_000 });
}

it("fetches a range once for a crowd that reads it, wherever each of them stands in it", async () => {
  const crowd = Array.from({ length: 2_000 }, (_, index) => read(BigInt(index % 20)));
  await clock.settle();
  const outcomes = await Promise.all(crowd);
  expect(outcomes.every(({ kind }) => kind === "chunk")).toBe(true);
  expect(fetches).toBe(2);
});

it("asks once for all who have arrived at the end, and again for who comes later", async () => {
  const waiting = Array.from({ length: 100 }, () => read(END));
  await clock.settle();
  await Promise.all(waiting);
  expect(fetches).toBe(1);
  const late = read(END);
  await clock.settle();
  await late;
  expect(fetches).toBe(2);
});

it("rests after a fetch as long as its decoding took", async () => {
  decodeMs = 40;
  const first = read(0n);
  const second = read(500n);
  await clock.settle();
  await first;
  expect(fetches).toBe(1);
  await clock.advance(30);
  expect(fetches).toBe(1);
  await clock.advance(20);
  await second;
  expect(fetches).toBe(2);
});
