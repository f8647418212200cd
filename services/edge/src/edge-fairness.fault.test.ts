import { setTimeout as sleep } from "node:timers/promises";
import { must } from "@millrace/runtime";
import { partitionOf } from "@millrace/schemas";
import { type EdgeProcess, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { appendTo, numbered } from "./testing/appended.ts";
import { type ChatPair, Chatter } from "./testing/chatter.ts";
import { EdgeStage, subscribe } from "./testing/edge-stage.ts";
import { metricOf } from "./testing/metric-of.ts";
import { RawClient } from "./testing/raw-client.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";

/** What is promised in milliseconds; a busy machine gets ten times of it. */
const HEALTHY_MS = 200;
const QUIET_MS = 1_000;
const LOOP_MS = 100;
const SLACK = 10;

const LOOP_LATE = 'millrace_loop_delay_seconds{quantile="max"}';

/** How long a measurement goes on at least. */
const WINDOW_MS = IS_FULL ? 30_000 : 3_000;

/** As an edge makes the topic for development. */
const PARTITIONS = 12;

let stage: EdgeStage;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

// C-020
it("Catching up one client never freezes the others", async () => {
  const edge = await stage.spawn("edge-1");
  const [behind, c] = [IS_FULL ? 200_000 : 20_000, "room:behind"];
  const slow = await readerOf(edge, c, "slow");
  const chatter = new Chatter(await pairsOn([edge], rooms(IS_FULL ? 100 : 15)), 1_000);
  slow.pause();
  const bodies = numbered(behind, 60);
  await append(c, bodies);
  await waitFor(async () => (await metricOf(edge, "millrace_lagging")) > 0, {
    what: "a slow reader",
  });
  chatter.start();
  await sleep(WINDOW_MS);
  const control = chatter.take();
  // Each look at the page begins a new maximum.
  await metricOf(edge, LOOP_LATE);
  slow.resume();
  const newcomer = await stage.connect(edge, "newcomer");
  await whenAll(slow, c, behind);
  const loop = await metricOf(edge, LOOP_LATE);
  await sleep(WINDOW_MS / 3);
  const during = chatter.take();
  chatter.stop();
  print(
    `${behind} behind: healthy p99 ${ms(during.p99)}, control ${ms(control.p99)}, loop late by ${ms(loop * 1_000)}`,
  );
  expect(slow.bodies(c)).toEqual(bodies);
  for (const client of [slow, newcomer]) expect(client.closeCode).toBeUndefined();
  expect(slow.offence).toBeUndefined();
  expect(during.p99).toBeLessThan(HEALTHY_MS * SLACK);
  expect(loop * 1_000).toBeLessThan(LOOP_MS * SLACK);
}, 600_000);

// C-007
it("A roaring conversation does not delay the quiet ones beside it", async () => {
  const env = { EDGE_PUBLISH_PER_SEC: "50", EDGE_PUBLISH_BURST: "100" };
  const edges = [await stage.spawn("edge-1", { env }), await stage.spawn("edge-2", { env })];
  const [members, perSec, replayed] = IS_FULL ? [200, 500, 100_000] : [40, 100, 5_000];
  const [roaring = "", ...beside] = roomsOf(0, 21);
  const pairs = await pairsOn(edges, [...beside, ...roomsOf(1, 20)]);
  await append(roaring, numbered(replayed, 100));
  const first = must(edges[0], "an edge");
  const crowd = await Promise.all(
    Array.from({ length: members }, (_, index) =>
      readerOf(edges[index % edges.length] ?? first, roaring, `member-${index}`),
    ),
  );
  const chatter = new Chatter(pairs, IS_FULL ? 5_000 : 1_000);
  chatter.start();
  await sleep(WINDOW_MS);
  const control = chatter.take();
  const replayer = await stage.connect(first, "replayer");
  void subscribe(replayer, roaring, "earliest");
  const over = performance.now() + 2 * WINDOW_MS;
  let roared = 0;
  while (performance.now() < over) {
    await append(roaring, numbered(perSec / 10, 100));
    roared += perSec / 10;
    await sleep(100);
  }
  const during = chatter.take();
  chatter.stop();
  print(`roaring beside: quiet p99 ${ms(during.p99)}, control ${ms(control.p99)}`);
  expect(during.p99).toBeLessThan(QUIET_MS * SLACK);
  await whenAll(replayer, roaring, replayed + roared);
  for (const client of crowd) await whenAll(client, roaring, roared);

  // One sender beyond the limit hears so, and only what was acknowledged is there.
  const greedy = must(crowd[0], "a member");
  const answers = await Promise.all(
    Array.from({ length: 200 }, () => greedy.request({ t: "pub", c: roaring, body: "greedy" })),
  );
  const accepted = answers.filter(({ t }) => t === "pubd").length;
  const limits = new Set(["rate-limited", "too-many-in-flight"]);
  const refused = answers.filter(({ code = "" }) => limits.has(code)).length;
  expect([accepted + refused, refused > 0]).toEqual([200, true]);
  await whenAll(replayer, roaring, replayed + roared + accepted);
  expect(replayer.bodies(roaring).filter((body) => body === "greedy")).toHaveLength(accepted);
}, 600_000);

it("Slow readers in a crowd cost the healthy ones no time and the edge no memory", async () => {
  const edge = await stage.spawn("edge-1");
  const [slow, healthy, bytesPerSec] = IS_FULL ? [200, 2_000, 1_000] : [10, 40, 1_000];
  const [flood, bytes, perRoom] = ["room:flood", 16_000, 10];
  const pairs = await pairsOn([edge], rooms(healthy / perRoom), perRoom);
  const chatter = new Chatter(pairs, 1_000);
  chatter.start();
  await sleep(WINDOW_MS);
  const control = chatter.take();
  const before = await metricOf(edge, "process_resident_memory_bytes");
  const readers = await inTens(slow, (index) => pacedReader(edge, `slow-${index}`, bytesPerSec));
  await Promise.all(readers.map((client) => subscribe(client, flood, "live")));
  // More than the kernel takes for each of them.
  const messages = IS_FULL ? 1_000 : 500;
  for (let sent = 0; sent < messages; sent += 50) {
    await append(flood, numbered(50, bytes));
    await sleep(IS_FULL ? 1_000 : 200);
  }
  await waitFor(async () => (await metricOf(edge, "millrace_lagging")) === slow, {
    what: "all of them to lag",
  });
  const during = chatter.take();
  const resident = (await metricOf(edge, "process_resident_memory_bytes")) - before;
  const buffered = await metricOf(edge, "millrace_buffered_bytes");
  chatter.stop();
  print(
    `${slow} readers at 1 kB/s: healthy p99 ${ms(during.p99)}, control ${ms(control.p99)}, ` +
      `resident + ${mib(resident)} MiB, ${(buffered / slow / 1_024).toFixed(1)} KiB buffered for each`,
  );
  expect(during.p99).toBeLessThan(HEALTHY_MS * SLACK);
  for (const client of readers) expect(client.closeCode).toBeUndefined();
}, 600_000);

function append(c: string, bodies: readonly string[]): Promise<void> {
  return appendTo({ brokers: inject("kafkaBrokers"), topic: stage.topic }, c, bodies);
}

function rooms(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `room:${index}`);
}

/** So many conversations of one partition. */
function roomsOf(partition: number, count: number): string[] {
  return rooms(count * PARTITIONS * 4)
    .filter((c) => partitionOf(Buffer.from(c), PARTITIONS) === partition)
    .slice(0, count);
}

/** Writers and readers, spread over the edges, each conversation across them. */
function pairsOn(
  edges: readonly EdgeProcess[],
  names: readonly string[],
  members = 2,
): Promise<ChatPair[]> {
  const first = must(edges[0], "an edge");
  return inTens(names.length, async (index) => {
    const c = must(names[index], "a room");
    const clients = await Promise.all(
      Array.from({ length: members }, (_, each) =>
        readerOf(edges[(index + each) % edges.length] ?? first, c, `${c}-${each}`),
      ),
    );
    return { c, writer: must(clients[0], "a writer"), readers: clients };
  });
}

/** A handful at a time, as people come. */
async function inTens<Made>(
  count: number,
  make: (index: number) => Promise<Made>,
): Promise<Made[]> {
  const made: Made[] = [];
  for (let start = 0; start < count; start += 10) {
    const some = Array.from({ length: Math.min(10, count - start) }, (_, at) => start + at);
    made.push(...(await Promise.all(some.map(make))));
  }
  return made;
}

async function readerOf(edge: EdgeProcess, c: string, user: string): Promise<RawClient> {
  const client = await stage.connect(edge, user);
  await subscribe(client, c, "live");
  return client;
}

async function pacedReader(
  edge: EdgeProcess,
  user: string,
  bytesPerSec: number,
): Promise<RawClient> {
  const token = await stage.issuer.token({ sub: user });
  const client = await RawClient.open({ url: edge.ws, token, bytesPerSec });
  stage.atEnd(() => Promise.resolve(client.terminate()));
  return client;
}

async function whenAll(client: RawClient, c: string, count: number): Promise<void> {
  const what = `${count} messages of ${c}`;
  await waitFor(() => client.messages(c).length >= count, { what, timeoutMs: 180_000 });
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function mib(bytes: number): string {
  return (bytes / 1_048_576).toFixed(1);
}
