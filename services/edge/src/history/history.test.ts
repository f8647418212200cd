import { type Log, MemoryLog, MemoryTopic, type ReadRequest } from "@millrace/log";
import { must, systemClock } from "@millrace/runtime";
import { type ConversationId, parsePosition } from "@millrace/schemas";
import { encodeMessage } from "@millrace/schemas/record";
import { beforeEach, expect, it } from "vitest";
import { TurnGate } from "../catchup/turn-gate.ts";
import { LIMITS } from "../limits.ts";
import { finderOn } from "../testing/finder-on.ts";
import { foreignMessage } from "../testing/foreign-message.ts";
import { History, type HistoryFrom, type HistoryPage } from "./history.ts";

const ROOM = "room:a" as ConversationId;

let topic: MemoryTopic;
let log: MemoryLog;
let reads: ReadRequest[];
/** Called before each read. */
let onRead: () => void;

beforeEach(async () => {
  topic = new MemoryTopic({ clock: systemClock, partitions: 1 });
  log = new MemoryLog({ topic, clock: systemClock });
  await log.open();
  reads = [];
  onRead = () => undefined;
});

function append(conversation: string, ...contents: readonly string[]): void {
  for (const content of contents) {
    const value = encodeMessage(foreignMessage(conversation, content));
    const key = Buffer.from(conversation);
    topic.appendForeign(0, [{ key, value, headers: [] }]);
  }
}

function historyOf(limits = LIMITS): History {
  const watched: Log = Object.create(log, {
    epoch: { get: () => log.epoch },
    bounds: { value: (partition: number) => log.bounds(partition) },
    readFrom: {
      value: (request: ReadRequest) => {
        reads.push(request);
        onRead();
        return log.readFrom(request);
      },
    },
  }) as Log;
  const gate = new TurnGate(systemClock, 1);
  const { finder } = finderOn(watched, { clock: systemClock, readBytes: limits.readBytes });
  return new History({ log: watched, finder, clock: systemClock, gate, limits });
}

async function read(
  history: History,
  from: HistoryFrom,
  options: { readonly count?: number; readonly signal?: AbortSignal } = {},
): Promise<HistoryPage> {
  const { count = 100, signal = new AbortController().signal } = options;
  const outcome = await history.page({ conversation: ROOM, from, count, signal });
  if (outcome.kind === "page") return outcome;
  throw new Error(`${outcome.code}: ${outcome.message}`);
}

function at(offset: number): HistoryFrom & { readonly kind: "after" } {
  const epoch = must(log.epoch, "an open log").id;
  const position = must(parsePosition(`${epoch}.0.${offset}`), "a position");
  return { kind: "after", position };
}

function bodies({ messages }: HistoryPage): unknown[] {
  return messages.map((text) => (JSON.parse(text) as { body: string }).body);
}

it("finds what stands behind thousands of others' messages, from both ends", async () => {
  append(ROOM, "a", "b");
  append("room:other", ...Array.from({ length: 20_000 }, () => "x"));
  append(ROOM, "c");
  append("room:other", ...Array.from({ length: 9_000 }, () => "x"));
  const history = historyOf();
  const newest = await read(history, { kind: "newest" }, { count: 2 });
  expect([bodies(newest), newest.pos]).toEqual([["b", "c"], newest.head]);
  const { position } = at(20_003);
  expect(bodies(await read(history, { kind: "before", position }))).toEqual(["a", "b"]);
  const onward = await read(history, at(1));
  expect([bodies(onward), onward.pos]).toEqual([["b", "c"], newest.head]);
});

it("reads nothing more for a client that has gone", async () => {
  append("room:other", ...Array.from({ length: 1_000 }, () => "x".repeat(1_000)));
  const history = historyOf({ ...LIMITS, readBytes: 10_000 });
  const whole = await read(history, { kind: "newest" });
  expect(whole.messages).toEqual([]);
  expect(reads.length).toBeGreaterThan(50);
  for (const from of [{ kind: "newest" } as const, at(0)]) {
    const client = new AbortController();
    reads.length = 0;
    onRead = () => {
      if (reads.length === 3) client.abort();
    };
    await expect(read(history, from, { signal: client.signal })).rejects.toThrow("unavailable");
    expect(reads).toHaveLength(3);
  }
});

it("lets others have their turn between any two reads", async () => {
  append("room:other", ...Array.from({ length: 1_000 }, () => "x".repeat(1_000)));
  const history = historyOf({ ...LIMITS, readBytes: 10_000 });
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await read(history, { kind: "newest" });
  isDone = true;
  expect(turns).toBeGreaterThanOrEqual(reads.length);
});

it("ends a page that takes too long where it is, and the next goes on there", async () => {
  append("room:other", ...Array.from({ length: 100 }, () => "x".repeat(1_000)));
  append(ROOM, "a");
  const history = historyOf({ ...LIMITS, readBytes: 1_000, historyScanMs: 0 });
  expect((await read(history, at(0))).pos).toBe((await read(history, at(0))).pos);
  const slow = historyOf({ ...LIMITS, readBytes: 1_000, historyScanMs: 5 });
  const found: unknown[] = [];
  let pages = 0;
  for (let from = at(0); ; pages++) {
    onRead = () => {
      const untilMs = performance.now() + 2;
      while (performance.now() < untilMs);
    };
    const page = await read(slow, from);
    found.push(...bodies(page));
    expect(page.gap).toBeUndefined();
    if (page.pos === page.head) break;
    from = { kind: "after", position: must(parsePosition(page.pos), "a position") };
  }
  expect(found).toEqual(["a"]);
  expect(pages).toBeGreaterThan(5);
});

it("tells what retention takes away while the page is read", async () => {
  append(ROOM, ...Array.from({ length: 50 }, (_, index) => `m${index}`.padEnd(1_000, ".")));
  const history = historyOf({ ...LIMITS, readBytes: 2_000 });
  onRead = () => topic.deleteBefore(0, 30n);
  const page = await read(history, at(10));
  expect(page.gap).toMatchObject({ reason: "expired", missed: null });
  expect(page.gap?.pos).toMatch(/\.30$/);
  expect(page.messages).toHaveLength(20);
  // Once something was read, the page ends before the hole: the next one tells it.
  topic = new MemoryTopic({ clock: systemClock, partitions: 1 });
  log = new MemoryLog({ topic, clock: systemClock });
  await log.open();
  append(ROOM, ...Array.from({ length: 50 }, (_, index) => `m${index}`.padEnd(1_000, ".")));
  reads.length = 0;
  onRead = () => {
    if (reads.length > 2) topic.deleteBefore(0, 30n);
  };
  const cut = await read(historyOf({ ...LIMITS, readBytes: 2_000 }), at(0));
  expect([cut.gap, cut.messages.length > 0]).toEqual([undefined, true]);
  expect(cut.pos).toMatch(new RegExp(`\\.${cut.messages.length}$`));
});
