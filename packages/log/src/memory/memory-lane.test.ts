import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import type { AppendRequest } from "../port.ts";
import { createMemoryLog } from "./memory-log.ts";
import { MemoryTopic } from "./memory-topic.ts";

async function setUp(latencyMs = 0) {
  const clock = new FakeClock();
  const topic = new MemoryTopic({ clock });
  const log = createMemoryLog({ clock, topic, latencyMs: () => latencyMs });
  const opened = log.open();
  await clock.advance(latencyMs);
  await opened;
  const told: string[] = [];
  const append = (name: string, request: Partial<AppendRequest> = {}): void =>
    log.append({
      partition: 0,
      key: Buffer.from("key"),
      value: Buffer.from(name),
      headers: [],
      deadlineMs: clock.nowMs() + 1_000,
      onOutcome: ({ kind }) => told.push(`${name} ${kind}`),
      onSettled: ({ kind }) => told.push(`${name} settled ${kind}`),
      ...request,
    });
  const values = (): string[] =>
    topic.records(0).map(({ value }) => Buffer.from(value ?? "").toString());
  return { clock, topic, log, told, append, values };
}

function gate() {
  const opener: { open?: () => void } = {};
  const until = new Promise<void>((resolve) => {
    opener.open = resolve;
  });
  return { until, open: () => opener.open?.() };
}

describe("appends to the memory log", () => {
  it("are unknown at the deadline while the answer is out, and settled once when it comes", async () => {
    const { clock, topic, told, append, values } = await setUp();
    const { until, open } = gate();
    topic.failNext(0, { kind: "hold-answer", until });
    append("held");
    await clock.settle();
    append("behind", { deadlineMs: 5_000 });
    append("late");
    await clock.advance(999);
    expect([told, values()]).toEqual([[], ["held"]]);
    await clock.advance(1);
    expect(told).toEqual(["held unknown"]);
    await clock.advance(1_000);
    expect([told, values()]).toEqual([["held unknown"], ["held"]]);
    open();
    await clock.settle();
    const all = ["held unknown", "held settled appended", "behind appended", "late not-appended"];
    expect([told, values()]).toEqual([all, ["held", "behind"]]);
    await clock.advance(10_000);
    expect(told).toEqual(all);
  });

  it("may turn out never to have come to the log", async () => {
    const { clock, topic, told, append, values } = await setUp();
    const { until, open } = gate();
    topic.failNext(0, { kind: "hold-request", until });
    append("lost");
    await clock.advance(1_000);
    topic.recreate();
    open();
    await clock.settle();
    append("next");
    await clock.settle();
    expect(told).toEqual(["lost unknown", "lost settled not-appended", "next appended"]);
    expect(values()).toEqual(["next"]);
  });

  it("are told in their order, also when a later one's deadline comes first", async () => {
    const { clock, topic, told, append, values } = await setUp();
    topic.setAvailable(0, false);
    append("first", { deadlineMs: 500 });
    append("second", { deadlineMs: 100 });
    append("third", { deadlineMs: 2_000 });
    await clock.advance(499);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual(["first not-appended", "second not-appended"]);
    topic.setAvailable(0, true);
    await clock.settle();
    expect(told.slice(2)).toEqual(["third appended"]);
    expect(values()).toEqual(["third"]);
  });

  it("that gather while a batch is out go together behind it", async () => {
    const { clock, told, append, values } = await setUp(10);
    append("first");
    await clock.advance(5);
    append("second");
    append("third");
    await clock.advance(15);
    expect([told, values()]).toEqual([["first appended"], ["first"]]);
    await clock.advance(20);
    expect(told.slice(1)).toEqual(["second appended", "third appended"]);
  });

  it("meet the outcomes that a test forces on them", async () => {
    const { clock, topic, told, append, values } = await setUp();
    const outcome = { kind: "refused", code: "not-authorized" } as const;
    topic.failNext(0, { kind: "outcome", outcome });
    append("first");
    await clock.settle();
    append("second");
    await clock.settle();
    expect([told, values()]).toEqual([["first refused", "second appended"], ["second"]]);
  });

  it("still out when the log is closed are unknown after that time, and settled later", async () => {
    const { clock, topic, log, told, append } = await setUp();
    const { until, open } = gate();
    topic.failNext(0, { kind: "hold-answer", until });
    append("held", { deadlineMs: 60_000 });
    await clock.settle();
    append("queued", { deadlineMs: 60_000 });
    const closed = log.close({ settleMs: 300 });
    await clock.advance(299);
    expect(told).toEqual([]);
    await clock.advance(1);
    await closed;
    expect(told).toEqual(["held unknown", "queued not-appended"]);
    open();
    await clock.settle();
    expect(told.slice(2)).toEqual(["held settled appended"]);
  });
});

describe("reads of the memory log", () => {
  it("are decided between their two ways, so that an answer can be out of date", async () => {
    const { clock, topic, log } = await setUp(10);
    const epoch = topic.epoch.id;
    const answer = log.readFrom({ partition: 0, offset: 0n, epoch, waitMs: 0, bytesMax: 1 });
    await clock.advance(15);
    topic.appendForeign(0, [{ key: null, value: null }]);
    await clock.advance(5);
    expect(await answer).toMatchObject({ kind: "chunk", next: 0n, endOffset: 0n });
  });

  it("that wait are answered at once when the partition loses its leader or the log is closed", async () => {
    const { clock, topic, log } = await setUp();
    const epoch = topic.epoch.id;
    const poll = { partition: 0, offset: 0n, epoch, waitMs: 5_000, bytesMax: 1 };
    const first = log.readFrom(poll);
    await clock.advance(100);
    topic.setAvailable(0, false);
    expect(await first).toMatchObject({ kind: "unavailable" });
    topic.setAvailable(0, true);
    const second = log.readFrom(poll);
    await clock.advance(100);
    await log.close({ settleMs: 0 });
    expect(await second).toMatchObject({ kind: "unavailable" });
  });

  it("that wait go on waiting when a change brings them nothing", async () => {
    const { clock, topic, log } = await setUp();
    const epoch = topic.epoch.id;
    const startMs = clock.nowMs();
    const poll = log.readFrom({ partition: 0, offset: 0n, epoch, waitMs: 1_000, bytesMax: 1 });
    await clock.advance(100);
    topic.pretendEnd(0, 0n);
    topic.pretendEnd(0, undefined);
    await clock.advance(500);
    topic.appendForeign(0, [{ key: null, value: null }]);
    expect((await poll).kind).toBe("chunk");
    expect(await poll).toMatchObject({ next: 1n });
    expect(clock.nowMs() - startMs).toBe(600);
  });

  it("see only what a leader that is behind knows of", async () => {
    const { topic, log } = await setUp();
    const epoch = topic.epoch.id;
    const foreign = ["a", "b", "c"].map((value) => ({ key: null, value: Buffer.from(value) }));
    topic.appendForeign(0, foreign);
    topic.pretendEnd(0, 1n);
    const request = { partition: 0, epoch, waitMs: 0, bytesMax: 1_000 };
    expect(await log.readFrom({ ...request, offset: 3n })).toMatchObject({ kind: "beyond-end" });
    expect(await log.readFrom({ ...request, offset: 0n })).toMatchObject({ next: 1n });
    topic.pretendEnd(0, undefined);
    expect(await log.readFrom({ ...request, offset: 0n })).toMatchObject({ next: 3n });
  });
});
