import { setTimeout as sleep } from "node:timers/promises";
import { type EdgeProcess, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import { appendMessages, appendTo, numbered } from "./testing/appended.ts";
import { EdgeStage, subscribe } from "./testing/edge-stage.ts";
import { metricOf } from "./testing/metric-of.ts";
import { RawClient } from "./testing/raw-client.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";

/** Small, so that what a slow reader is spared is seen. */
const PING_MS = 1_000;

/** What the library gathers in a cork before it asks the kernel. */
const CORK_BYTES = 16_384;
const LARGE_BYTES = 10_000;
/** A frame of a message of that size, the rest of its fields included. */
const FRAME_BYTES = LARGE_BYTES + 1_000;

let stage: EdgeStage;
let edge: EdgeProcess;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

// C-019
it("A client whose socket stays full keeps its place and loses nothing", async () => {
  const c = "room:full";
  edge = await stage.spawn("edge-1");
  const [others, messages, stoppedMs] = IS_FULL ? [3, 20_000, 60_000] : [5, 1_000, 0];
  const slow = await readerOf(c, "slow");
  const healthy = await Promise.all(
    Array.from({ length: others }, (_, index) => readerOf(c, `healthy-${index}`)),
  );
  const residentBefore = await read("process_resident_memory_bytes");
  slow.pause();
  const stoppedAtMs = performance.now();
  const watch = watchPeak("millrace_buffered_bytes");
  const bodies = numbered(messages, LARGE_BYTES);
  await append(c, bodies);
  for (const client of healthy) await whenAll(client, c, messages);
  await waitFor(async () => (await read("millrace_lagging")) > 0, { what: "a lagging reader" });
  await sleep(Math.max(0, stoppedMs - (performance.now() - stoppedAtMs)));
  const { bufferedBytesMax } = LIMITS;
  const peak = await watch.peak();
  expect(peak).toBeLessThanOrEqual(bufferedBytesMax + FRAME_BYTES + CORK_BYTES);
  const resident = (await read("process_resident_memory_bytes")) - residentBefore;
  print(
    `one stopped reader, ${messages} × 10 kB: ${peak} bytes buffered, resident + ${mib(resident)}`,
  );
  expect(slow.messages(c).length).toBeLessThan(messages);
  slow.resume();
  await whenAll(slow, c, messages);
  expect(slow.bodies(c)).toEqual(bodies);
  await waitFor(() => slow.frames.at(-1)?.t === "live", { what: "to be live again" });
  for (const client of [slow, ...healthy]) {
    expect([client.offence, client.closeCode]).toEqual([undefined, undefined]);
  }
  // And what comes now comes as it happens.
  await append(c, ["afterwards"]);
  await waitFor(() => slow.bodies(c).at(-1) === "afterwards", { what: "a live message" });
}, 300_000);

// C-022
it("A long replay flows at the reader's pace and never gets the reader thrown out", async () => {
  edge = await stage.spawn("edge-1", { env: { EDGE_PING_MS: String(PING_MS) } });
  const [replayed, live, largest] = ["room:replayed", "room:live", "room:largest"];
  const [messages, bytesPerSec, crowd] = IS_FULL ? [1_200, 200_000, 100] : [800, 1_000_000, 10];
  const bodies = numbered(messages, LARGE_BYTES);
  await append(replayed, bodies);
  const reader = await pacedReader("reader", bytesPerSec);
  await subscribe(reader, live, "live");
  const watch = watchPeak("millrace_buffered_bytes");
  void subscribe(reader, replayed, "earliest");
  await waitFor(() => reader.messages(replayed).length > 0, { what: "the replay to begin" });
  let said = 0;
  while (reader.messages(replayed).length < messages) {
    expect(reader.closeCode).toBeUndefined();
    await append(live, [`live ${said++}`]);
    await sleep(200);
    if (reader.messages(replayed).length === messages) break;
  }
  expect(reader.bodies(replayed)).toEqual(bodies);
  await whenAll(reader, live, said);
  // They came between the others, not behind them.
  const first = reader.frames.findIndex(({ t, c }) => t === "msg" && c === live);
  const last = reader.frames.findLastIndex(({ t, c }) => t === "msg" && c === replayed);
  expect(first).toBeLessThan(last);
  const { bufferedBytesMax, announced } = LIMITS;
  const peak = await watch.peak();
  expect(peak).toBeLessThanOrEqual(bufferedBytesMax + FRAME_BYTES + CORK_BYTES);
  print(`a replay at ${bytesPerSec} bytes/s: ${peak} bytes buffered`);

  const readers = await Promise.all(
    Array.from({ length: crowd }, (_, index) => pacedReader(`crowd-${index}`, bytesPerSec)),
  );
  await Promise.all(readers.map((client) => subscribe(client, largest, "live")));
  const body = "x".repeat(announced.bodyBytes);
  await append(largest, [body]);
  for (const client of [reader, ...readers]) {
    if (client !== reader) await whenAll(client, largest, 1);
    expect([client.offence, client.closeCode]).toEqual([undefined, undefined]);
  }
}, 300_000);

it("A reader of 100 conversations that reads by fits and starts gets each message of each once, and may jump", async () => {
  edge = await stage.spawn("edge-1");
  const rooms = Array.from({ length: 100 }, (_, index) => `room:${index}`);
  const [skipped = "", live = "", ...others] = rooms;
  const [bursts, each, bytes] = [IS_FULL ? 20 : 4, 4, 16_000];
  const reader = await stage.connect(edge, "reader");
  await Promise.all(rooms.map((c) => subscribe(reader, c, "live")));
  const bodies: string[] = [];
  const burst = async (number: number): Promise<void> => {
    const some = numbered(each, bytes).map((body) => `${number} ${body}`);
    bodies.push(...some);
    // Hundreds of them in one turn of the edge's loop.
    await appendAll(rooms.filter((c) => c !== live).flatMap((c) => some.map((body) => [c, body])));
    await sleep(200);
  };
  let number = 0;
  for (; number < bursts; number++) {
    reader.pause();
    await burst(number);
    if (number % 2 === 1) reader.resume();
  }
  // However much the machine keeps between the two.
  reader.pause();
  const mostLag = async () => {
    if ((await read("millrace_lagging")) > 50) return true;
    await burst(number++);
    return false;
  };
  await waitFor(mostLag, { what: "most of them to lag" });
  const jump = reader.request({ t: "skip", c: skipped });
  reader.resume();
  expect((await jump).t).toBe("skipd");
  for (const c of others) await whenAll(reader, c, bodies.length);
  for (const c of others) expect(reader.bodies(c)).toEqual(bodies);
  await waitFor(async () => (await read("millrace_catch_ups")) === 0, { what: "all to be live" });
  // Of the one that was skipped a part came, then the gap, then what is new.
  await append(skipped, ["after the jump"]);
  await waitFor(() => reader.bodies(skipped).at(-1) === "after the jump", { what: "its message" });
  const seen = reader.bodies(skipped).slice(0, -1);
  expect(seen).toEqual(bodies.slice(0, seen.length));
  const gaps = reader.frames.filter(({ t }) => t === "gap");
  expect(gaps.map(({ c, reason }) => [c, reason])).toEqual(
    seen.length < bodies.length ? [[skipped, "skipped"]] : [],
  );
  // Who is live has nothing to skip.
  expect((await reader.request({ t: "skip", c: live })).t).toBe("skipd");
  await append(live, ["still live"]);
  await whenAll(reader, live, 1);
  expect(reader.frames.filter(({ t, c }) => t === "gap" && c === live)).toEqual([]);
  expect([reader.offence, reader.closeCode]).toEqual([undefined, undefined]);
}, 300_000);

async function readerOf(c: string, user: string): Promise<RawClient> {
  const client = await stage.connect(edge, user);
  await subscribe(client, c, "live");
  await waitFor(() => client.frames.at(-1)?.t === "live", { what: `${user} is live` });
  return client;
}

async function pacedReader(user: string, bytesPerSec: number): Promise<RawClient> {
  const token = await stage.issuer.token({ sub: user });
  const client = await RawClient.open({ url: edge.ws, token, bytesPerSec });
  stage.atEnd(() => Promise.resolve(client.terminate()));
  return client;
}

function append(c: string, bodies: readonly string[]): Promise<void> {
  return appendTo({ brokers: inject("kafkaBrokers"), topic: stage.topic }, c, bodies);
}

function appendAll(messages: readonly (readonly [string, string])[]): Promise<void> {
  const topic = { brokers: inject("kafkaBrokers"), topic: stage.topic };
  return appendMessages(topic, messages);
}

async function whenAll(client: RawClient, c: string, count: number): Promise<void> {
  const what = `${count} messages of ${c}`;
  await waitFor(() => client.messages(c).length >= count, { what, timeoutMs: 180_000 });
}

function read(name: string): Promise<number> {
  return metricOf(edge, name);
}

/** The largest value of a gauge, looked at again and again until it is asked for. */
function watchPeak(name: string): { readonly peak: () => Promise<number> } {
  const over = new AbortController();
  let peak = 0;
  const looking = (async () => {
    while (!over.signal.aborted) {
      peak = Math.max(peak, await read(name));
      await sleep(50);
    }
  })();
  // Of a test that has failed meanwhile, whose edge is gone.
  looking.catch(() => undefined);
  return {
    peak: async () => {
      over.abort();
      await looking;
      return peak;
    },
  };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function mib(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
