import { must } from "@millrace/runtime";
import { type EdgeProcess, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { EdgeStage } from "./testing/edge-stage.ts";
import { metricOf } from "./testing/metric-of.ts";
import { InspectedHeap, inspectable } from "./testing/inspected-heap.ts";
import { RawSocket, rawFrame } from "./testing/raw-socket.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const PING_MS = 1_000;
/** Of each client in conversations that nobody else has. */
const SUBSCRIPTIONS = IS_FULL ? 20 : 40;
/** Rounds in which caches and pools find their size. */
const WARM_ROUNDS = 3;
/** What a client has said stays in the cache of the log until that is full; itself would be some kilobytes. */
const GROWTH_BYTES_MAX = 1_500;
/** By so much of it a heap of that size differs from one look to the next. */
const NOISE = 0.06;
const AT_ONCE = 25;
/** Those of the clients of Kafka and Redis come and go. */
const OTHER_TIMERS = 10;

const TEXT = 0x81;
const CLOSE = 0x88;

let stage: EdgeStage;
let edge: EdgeProcess;
let heap: InspectedHeap;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
  const { port, env } = await inspectable();
  edge = await stage.spawn("edge-1", { env: { EDGE_PING_MS: String(PING_MS), ...env } });
  heap = await InspectedHeap.open(port);
});

afterEach(async () => {
  heap.close();
  await stage.close();
});

// C-023
it("A client that has gone leaves nothing behind", async () => {
  const [rounds, clients] = IS_FULL ? [20, 1_000] : [6, 100];
  const atRest: number[] = [];
  const before = await remains();
  for (let round = 0; round < rounds; round++) {
    await inBatches(clients, (index) => visit(round * clients + index));
    await whenAlone();
    atRest.push(await heap.usedBytes());
  }
  print(`${rounds} × ${clients} clients: heap ${atRest.map(mib).join(", ")} MiB`);
  const [first, last] = [must(atRest[WARM_ROUNDS - 1], "a round"), must(atRest.at(-1), "a round")];
  const visitors = (rounds - WARM_ROUNDS) * clients;
  expect(last - first).toBeLessThan(first * NOISE + visitors * GROWTH_BYTES_MAX);
  // Nothing is open, subscribed, read or timed any more, and nothing stands in a buffer.
  const left = await remains();
  expect(left.gauges).toEqual(before.gauges);
  expect(left.timers - before.timers).toBeLessThan(OTHER_TIMERS);
}, 600_000);

it("A crowd that only connects, from many addresses, half of it gone by RST, costs no memory", async () => {
  const [warm, connects] = IS_FULL ? [5_000, 100_000] : [500, 1_500];
  await inBatches(warm, (index) => comeAndGo(connects + index));
  await whenAlone();
  const before = await heap.usedBytes();
  const residentBefore = await read("process_resident_memory_bytes");
  const startMs = performance.now();
  await inBatches(connects, comeAndGo);
  const perSec = connects / ((performance.now() - startMs) / 1_000);
  await whenAlone();
  const grown = (await heap.usedBytes()) - before;
  const resident = (await read("process_resident_memory_bytes")) - residentBefore;
  print(
    `${connects} connects, ${perSec.toFixed(0)}/s: heap + ${mib(grown)} MiB, resident + ${mib(resident)} MiB`,
  );
  // A connection left behind is some kilobytes.
  expect(grown / connects).toBeLessThan(1_000);
}, 900_000);

async function comeAndGo(index: number): Promise<void> {
  const localAddress = `127.0.0.${2 + (index % 50)}`;
  const token = await stage.issuer.token({ sub: `user-${index}` });
  const socket = await RawSocket.open({ port: edge.port, token, localAddress });
  if (index % 2 === 0) socket.reset();
  else await leave(socket);
}

/** Subscribes, publishes, and leaves in one of three ways. */
async function visit(index: number): Promise<void> {
  const token = await stage.issuer.token({ sub: `user-${index}` });
  let text = "";
  const onData = (data: Buffer): void => {
    text += data.toString();
  };
  const socket = await RawSocket.open({ port: edge.port, token, onData });
  const own = Array.from({ length: SUBSCRIPTIONS }, (_, each) => `room:${index}:${each}`);
  const subs = own.map((c, id) => ({ t: "sub", id, c, from: id % 2 === 0 ? "live" : "earliest" }));
  const pub = { t: "pub", id: SUBSCRIPTIONS, c: own[0], body: "hello", key: `k${index}` };
  // An abort in the middle is one of the ways out, too.
  socket.write(rawFrame(TEXT, JSON.stringify([...subs, pub])));
  if (index % 6 > 2) {
    await waitFor(() => text.includes('"t":"pubd"') || refusalIn(text), { what: "a publish" });
  }
  if (index % 3 === 0) socket.reset();
  else if (index % 3 === 1) await leave(socket);
  // Or it is never heard of again: no pong comes by itself.
}

function refusalIn(text: string): false {
  const refusal = /\{"t":"err"[^}]*\}/.exec(text);
  if (refusal !== null) throw new Error(refusal[0]);
  return false;
}

async function leave(socket: RawSocket): Promise<void> {
  socket.write(rawFrame(CLOSE, Buffer.from([0x03, 0xe8])));
  await waitFor(() => socket.isClosed, { what: "the end of the line" });
}

async function inBatches(count: number, act: (index: number) => Promise<void>): Promise<void> {
  for (let start = 0; start < count; start += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - start) }, (_, at) => start + at);
    await Promise.all(some.map(act));
  }
}

async function whenAlone(): Promise<void> {
  await waitFor(async () => (await read("millrace_connections")) === 0, {
    what: "everybody has left",
    timeoutMs: 60_000,
  });
  await waitFor(async () => (await read("millrace_catch_ups")) === 0, { what: "no catch-up" });
}

/** What a client could have left, beside memory. */
async function remains() {
  const resources = await heap.evaluate("process.getActiveResourcesInfo().join()");
  const timers = String(resources)
    .split(",")
    .filter((each) => each === "Timeout");
  const names = ["connections", "subscriptions", "catch_ups", "lagging", "buffered_bytes"];
  const gauges = await Promise.all(names.map((name) => read(`millrace_${name}`)));
  return { gauges, timers: timers.length };
}

function read(name: string): Promise<number> {
  return metricOf(edge, name);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function mib(bytes: number): string {
  return (bytes / 1_048_576).toFixed(2);
}
