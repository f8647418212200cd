import type { Log, ReadRequest } from "@millrace/log";
import { must } from "@millrace/runtime";
import { parsePosition, partitionOf } from "@millrace/schemas";
import { encodeMessage } from "@millrace/schemas/record";
import { redisCommand, waitFor, withAdmin, withProducer } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import { delayedLog } from "./testing/delayed-log.ts";
import {
  EdgeStage,
  type LocalEdge,
  bodiesFrom,
  publish,
  subscribe,
  whenHas,
} from "./testing/edge-stage.ts";
import { foreignMessage } from "./testing/foreign-message.ts";
import { type PageJson, ask, messagesPath } from "./testing/http-client.ts";
import { wrappedLog } from "./testing/wrapped-log.ts";

const PARTITIONS = 12;
const BLOCK_OFFSETS = 8_192;

/** How far back the quiet conversation's messages lie. */
const DEEP = process.env["MILLRACE_FULL"] === "1" ? 1_000_000 : 100_000;

/** How many messages one client has missed. */
const BACKLOG = process.env["MILLRACE_FULL"] === "1" ? 200_000 : 20_000;

/** Below a megabyte, as the broker wants it. */
const BATCH = 3_000;

/** Keys are not what these tests are about: an edge need not read an hour of them at its start. */
const LIMITS_HERE = { ...LIMITS, announced: { ...LIMITS.announced, dedupMs: 1 } };

let stage: EdgeStage;
let brokers: string[];

beforeEach(async () => {
  brokers = inject("kafkaBrokers");
  stage = await EdgeStage.open({ brokers, redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

function partitionOfRoom(c: string): number {
  return partitionOf(Buffer.from(c), PARTITIONS);
}

/** Others that speak in the same partition. */
function neighboursOf(c: string, count: number): string[] {
  const rooms = Array.from({ length: count * PARTITIONS * 2 }, (_, index) => `room:n${index}`);
  return rooms.filter((room) => partitionOfRoom(room) === partitionOfRoom(c)).slice(0, count);
}

/** Big batches of another producer, so many messages of these rooms in turn. */
async function flood(rooms: readonly string[], count: number): Promise<void> {
  const partition = partitionOfRoom(must(rooms[0], "a room"));
  const values = rooms.map((room) =>
    Buffer.from(encodeMessage(foreignMessage(room, "x".repeat(100)))),
  );
  await withProducer(brokers, async (producer) => {
    for (let sent = 0; sent < count; sent += BATCH) {
      const messages = Array.from({ length: Math.min(BATCH, count - sent) }, (_, index) => ({
        partition,
        key: must(rooms[index % rooms.length], "a room"),
        value: must(values[index % values.length], "a value"),
      }));
      await producer.send({ topic: stage.topic, messages });
    }
  });
}

interface CountingLog extends Log {
  reads: ReadRequest[];
  bytes: number;
}

/** Counts what is read of the log by anybody but the tails. */
function countingLog(log: Log): CountingLog {
  const counting = wrappedLog(log, {
    readFrom: async (request) => {
      const outcome = await log.readFrom(request);
      if (request.waitMs > 0) return outcome;
      counting.reads.push(request);
      if (outcome.kind === "chunk") counting.bytes += outcome.bytes;
      return outcome;
    },
  }) as CountingLog;
  return Object.assign(counting, { reads: [], bytes: 0 });
}

async function startCounting(id: string): Promise<{ edge: LocalEdge; log: CountingLog }> {
  const log = countingLog(stage.kafkaLog());
  const edge = await stage.start(id, { log, limits: LIMITS_HERE });
  return { edge, log };
}

/** Every block that is whole is in Redis. */
async function whenIndexed(anyPosition: string, end: number): Promise<void> {
  const { epoch, partition } = must(parsePosition(anyPosition), "a position");
  const last = Math.floor(end / BLOCK_OFFSETS) - 1;
  for (let number = 0; number <= last; number++) {
    const isThere = async (): Promise<boolean> =>
      (await redis("EXISTS", `mr:block:{${epoch}.${partition}}:${number}`)).startsWith(":1");
    await waitFor(isThere, { what: `block ${number} of ${last} is in Redis`, timeoutMs: 60_000 });
  }
}

function redis(...words: string[]): Promise<string> {
  return redisCommand(Number(new URL(inject("redisUrl")).port), ...words);
}

describe("a conversation that was quiet while a partition filled", () => {
  const c = "room:quiet";

  /** Fifty messages, then very many of others; one edge sees them all. */
  async function fill(): Promise<string> {
    const edge = await stage.start("edge-1", { limits: LIMITS_HERE });
    const writer = await stage.connect(edge, "writer");
    const { pos } = await subscribe(writer, c, "live");
    await publish(writer, c, bodiesFrom(0, 50));
    await whenHas(writer, c, bodiesFrom(0, 50));
    await flood(neighboursOf(c, 20), DEEP);
    return must(pos, "a position");
  }

  it("Its newest messages are found without reading what lies between", async () => {
    const start = await fill();
    await whenIndexed(start, DEEP + 50);
    const { edge, log } = await startCounting("edge-2");
    const reader = await stage.connect(edge, "reader");
    log.reads = [];
    log.bytes = 0;
    await subscribe(reader, c, { last: 50 });
    await whenHas(reader, c, bodiesFrom(0, 50));
    await reader.next(({ t }) => t === "live", "live");
    // The newest block is not whole, and nobody here has seen its beginning.
    expect(log.reads.length).toBeLessThanOrEqual(12);
    expect(log.bytes).toBeLessThan(5_000_000);

    // From then on there is nothing left that would have to be found out.
    log.reads = [];
    const resumed = await stage.connect(edge, "resumed");
    const after = start.replace(/\d+$/, "40");
    await subscribe(resumed, c, { after });
    await whenHas(resumed, c, bodiesFrom(40, 50));
    await resumed.next(({ t }) => t === "live", "live");
    expect(log.reads.length).toBeLessThanOrEqual(2);

    const token = await stage.issuer.token({ sub: "reader" });
    const page = async (query: string): Promise<unknown[]> => {
      const { json } = await ask(edge.port, messagesPath(c, query), { token });
      return (json as unknown as PageJson).messages.map(({ body }) => body);
    };
    log.reads = [];
    expect(await page("?limit=10")).toEqual(bodiesFrom(40, 50));
    expect(await page(`?limit=10&after=${start}`)).toEqual(bodiesFrom(0, 10));
    expect(await page(`?before=${start.replace(/\d+$/, "26")}`)).toEqual(bodiesFrom(0, 25));
    expect(await page(`?after=${start.replace(/\d+$/, "50")}`)).toEqual([]);
    expect(log.reads.length).toBeLessThanOrEqual(6);

    // As after a flush.
    const { epoch, partition } = must(parsePosition(start), "a position");
    for (let number = 0; number <= DEEP / BLOCK_OFFSETS; number++) {
      await redis("DEL", `mr:block:{${epoch}.${partition}}:${number}`);
    }
    const other = await startCounting("edge-3");
    const late = await stage.connect(other.edge, "late");
    await subscribe(late, c, { after: start });
    await whenHas(late, c, bodiesFrom(0, 50));
    await late.next(({ t }) => t === "live", "live after a scan");
    expect(other.log.bytes).toBeGreaterThan(DEEP * 100);
    // Who has read it all has put it back.
    await whenIndexed(start, DEEP + 50);
  }, 180_000);
});

describe("a long backlog of one client", () => {
  it("A backlog comes whole and in order while others chat on", async () => {
    const c = "room:backlog";
    const edge = await stage.start("edge-1", { limits: LIMITS_HERE });
    const writer = await stage.connect(edge, "writer");
    const { pos: start = "" } = await subscribe(writer, "room:chat", "live");
    await flood([c], BACKLOG);
    const reader = await stage.connect(edge, "reader");
    const began = start.replace(/\.\d+\.\d+$/, `.${partitionOfRoom(c)}.0`);
    await subscribe(reader, c, { after: began });
    const times: number[] = [];
    for (let index = 0; reader.messages(c).length < BACKLOG || index < 20; index++) {
      const beganMs = performance.now();
      await publish(writer, "room:chat", [`chat ${index}`]);
      await waitFor(() => writer.bodies("room:chat").includes(`chat ${index}`), { what: "it" });
      times.push(performance.now() - beganMs);
    }
    await whenHas(
      reader,
      c,
      Array.from({ length: BACKLOG }, () => "x".repeat(100)),
    );
    const slowest = times.toSorted((one, other) => one - other)[Math.floor(times.length * 0.99)];
    // Ten times what 99 % of the messages of others may take.
    expect(slowest).toBeLessThan(2_000);
  }, 180_000);
});

describe("what retention takes", () => {
  const c = "room:retained";

  async function deleteBefore(offset: number): Promise<void> {
    const { topic } = stage;
    await withAdmin(brokers, async (admin) => {
      await admin.fetchTopicOffsets(topic);
      const partitions = [{ partition: partitionOfRoom(c), offset: String(offset) }];
      await admin.deleteTopicRecords({ topic, partitions });
    });
  }

  it("Messages that are deleted under a resume, and under a slow reader, are told by number", async () => {
    await stage.makeTopic();
    let isSlow = false;
    const log = delayedLog(stage.kafkaLog(), ({ waitMs }) => (isSlow && waitMs === 0 ? 300 : 0));
    const limits = { ...LIMITS_HERE, readBytes: 20_000, catchUpBytes: 20_000 };
    const edge = await stage.start("edge-1", { log, limits });
    const writer = await stage.connect(edge, "writer");
    const { pos: start = "" } = await subscribe(writer, c, "live");
    const [neighbour = ""] = neighboursOf(c, 1);
    const all = bodiesFrom(0, 200);
    for (let at = 0; at < 200; at += 50) {
      await publish(writer, c, all.slice(at, at + 50));
      await flood([neighbour], 50);
    }
    await whenHas(writer, c, all);

    const quiet = await stage.connect(edge, "quiet");
    isSlow = true;
    const reader = await stage.connect(edge, "reader");
    await subscribe(reader, c, { after: start });
    await waitFor(() => reader.messages(c).length > 0, { what: "the first part" });
    const slow = await stage.connect(edge, "slow");
    slow.pause();
    slow.send({ t: "sub", id: 1, c, from: { after: start } });
    // Fifty and half of the neighbour's fifty after three hundred.
    await deleteBefore(325);
    isSlow = false;
    slow.resume();
    for (const client of [reader, slow]) {
      await client.next(({ t }) => t === "live", "live");
      const bodies = client.bodies(c);
      const gap = client.frames.find(({ t }) => t === "gap") as { missed?: number } | undefined;
      const missed = gap?.missed ?? 0;
      // The cache may still have had what the log has lost: then nothing is missing.
      expect(bodies.length + missed).toBe(200);
      expect(bodies.slice(-50)).toEqual(all.slice(150));
      expect(client.offence).toBeUndefined();
    }

    const other = await stage.start("edge-2", { limits });
    const late = await stage.connect(other, "late");
    await subscribe(late, c, { after: start.replace(/\d+$/, "10") });
    const told = await late.next(({ t }) => t === "gap", "a gap");
    // This edge has not seen what was lost, and no block of it was ever whole.
    expect(told).toMatchObject({ reason: "expired", missed: null });

    // Of these nobody has lost anything, and the first edge knows that.
    const nothing = neighboursOf(c, 3).at(-1) ?? "";
    await subscribe(quiet, nothing, { after: start });
    await quiet.next((frame) => frame.t === "live" && frame.c === nothing, "live at once");
    expect(quiet.frames.filter(({ t }) => t === "gap")).toEqual([]);
  }, 120_000);
});
