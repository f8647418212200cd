import { type Clock, delay, systemClock } from "@millrace/runtime";
import { type EdgeProcess, RedisServer, waitFor } from "@millrace/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import {
  type EdgePlace,
  EdgeStage,
  type LocalEdge,
  bodiesFrom,
  subscribe,
} from "./testing/edge-stage.ts";
import type { DownJson, RawClient } from "./testing/raw-client.ts";
import { type SeveredLog, severedLog } from "./testing/severed-log.ts";

const C = "room:keys";
const KILLS = 5;

/** Leases that a test can wait for. */
const LIMITS_SHORT = { ...LIMITS, publishDeadlineMs: 1_000, dedupLeaseMs: 2_000 };

let redis: RedisServer;
let stage: EdgeStage;

beforeAll(async () => {
  redis = await RedisServer.start();
});

afterAll(() => redis.stop());

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: redis.url });
  await stage.makeTopic();
});

afterEach(() => stage.close());

it("A key is appended once, and every repetition is told the first place", async () => {
  const [one, two] = [await stage.start("edge-1"), await stage.start("edge-2")];
  const alice = await stage.connect(one, "alice");
  const elsewhere = await stage.connect(two, "alice");
  const bob = await stage.connect(two, "bob");
  const first = await publishKey(alice, "k");
  expect(first).toMatchObject({ t: "pubd" });
  expect(first.dup).toBeUndefined();
  for (const client of [alice, elsewhere]) {
    const again = await publishKey(client, "k");
    expect(again).toMatchObject({ t: "pubd", pos: first.pos, ts: first.ts, dup: true });
  }
  // A key is its sender's own, and the conversation's own.
  expect((await publishKey(bob, "k")).dup).toBeUndefined();
  expect((await alice.request({ t: "pub", c: "room:other", key: "k", body: "k" })).dup).toBe(
    undefined,
  );
  expect(await keysIn(one, C)).toEqual(["k", "k"]);
});

it("Of two sockets that race with one key one appends, and both are told the same place", async () => {
  const [one, two] = [await stage.start("edge-1"), await stage.start("edge-2")];
  const racers = [
    await stage.connect(one, "alice"),
    await stage.connect(one, "alice"),
    await stage.connect(two, "alice"),
  ];
  const keys = Array.from({ length: 100 }, (_, index) => `k-${index}`);
  for (const key of keys) {
    const answers = await Promise.all(racers.map((racer) => publishKey(racer, key)));
    expect(new Set(answers.map(({ t }) => t))).toEqual(new Set(["pubd"]));
    expect(new Set(answers.map(({ pos }) => pos)).size).toBe(1);
    expect(answers.filter(({ dup }) => dup !== true)).toHaveLength(1);
  }
  expect(await keysIn(one, C)).toEqual(keys);
});

it("Within one batch the same key is appended once, and what stands behind it stays behind it", async () => {
  const edge = await stage.start("edge-1");
  const alice = await stage.connect(edge, "alice");
  const frames = ["a", "b", "a", "c", "b", "d"].map((key, index) => ({
    t: "pub",
    id: index + 1,
    c: C,
    key,
    body: key,
    ...(index > 0 && { behind: index }),
  }));
  alice.sendText(JSON.stringify(frames));
  await waitFor(() => answersOf(alice).length === frames.length, { what: "all answers" });
  const answers = answersOf(alice);
  expect(answers.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(answers.map(({ dup }) => dup === true)).toEqual([false, false, true, false, true, false]);
  expect(await keysIn(edge, C)).toEqual(["a", "b", "c", "d"]);
});

it("An edge that dies between the append and the answer leaves its key to who repeats it", async () => {
  const log = severedLog(stage.kafkaLog());
  const clock = { ...systemClock, after: afterUnless(() => log.isSevered) };
  const dying = await stage.start("edge-1", { log, clock, limits: LIMITS_SHORT });
  const other = await stage.start("edge-2", { limits: LIMITS_SHORT });
  for (const keeps of ["answers", "appends"] as const) {
    const key = `k-${keeps}`;
    log.isSevered = false;
    await sever(dying, log, { keeps, key });
    const bob = await stage.connect(other, "alice");
    const answer = await settled(() => publishKey(bob, key));
    expect(answer).toMatchObject({ t: "pubd" });
    expect(answer.dup === true).toBe(keeps === "answers");
  }
  expect(await keysIn(other, C)).toEqual(["k-answers", "k-appends"]);
});

it("Whatever an edge was doing when it was killed, each key is in the log once", async () => {
  const survivor = await stage.spawn("edge-2");
  const keys = bodiesFrom(0, KILLS * 100);
  for (let kill = 0; kill < KILLS; kill++) {
    const some = keys.slice(kill * 100, (kill + 1) * 100);
    const edge = await stage.spawn("edge-1");
    const alice = await stage.connect(edge, "alice");
    for (const [index, key] of some.entries()) {
      alice.send({ t: "pub", id: index, c: C, key, body: key });
      // In the middle of it, some answered and some not.
      if (index === 50) await waitFor(() => answersOf(alice).length > 5, { what: "answers" });
      if (index === 70) await edge.kill();
    }
    await repeat(survivor, some);
  }
  expect(await keysIn(survivor, C)).toEqual(keys);
});

it("An edge that wakes after its lease appends nothing that others have", async () => {
  const frozen = await stage.spawn("edge-1");
  const other = await stage.spawn("edge-2");
  const alice = await stage.connect(frozen, "alice");
  const warm = await publishKey(alice, "warm");
  expect(warm.t).toBe("pubd");
  const keys = bodiesFrom(0, 50);
  for (const key of keys) alice.send({ t: "pub", c: C, key, body: key });
  frozen.pause();
  await repeat(other, keys);
  frozen.resume();
  const again = await stage.connect(frozen, "alice");
  expect(await settled(() => publishKey(again, "awake"))).toMatchObject({ t: "pubd" });
  expect((await keysIn(other, C)).toSorted()).toEqual(["awake", ...keys, "warm"].toSorted());
});

it("A flushed Redis makes no used key unused, nor does a new edge without it", async () => {
  const edge = await stage.start("edge-1");
  const alice = await stage.connect(edge, "alice");
  const first = await publishKey(alice, "k");
  await flush();
  expect(await publishKey(alice, "k")).toMatchObject({ pos: first.pos, dup: true });
  await flush();
  const late = await stage.start("edge-2");
  const there = await stage.connect(late, "alice");
  expect(await publishKey(there, "k")).toMatchObject({ pos: first.pos, ts: first.ts, dup: true });
  expect((await publishKey(there, "new")).dup).toBeUndefined();
  expect(await keysIn(edge, C)).toEqual(["k", "new"]);
});

it("With a Redis that hangs publishes go on, each key once", async () => {
  const edge = await stage.start("edge-1");
  const alice = await stage.connect(edge, "alice");
  const before = await publishKey(alice, "before");
  redis.pause();
  try {
    expect(await publishKey(alice, "during")).toMatchObject({ t: "pubd" });
    expect(await publishKey(alice, "before")).toMatchObject({ pos: before.pos, dup: true });
    expect(await publishKey(alice, "during")).toMatchObject({ t: "pubd", dup: true });
  } finally {
    redis.resume();
  }
  // Another edge, to which Redis never hung, hears of it all the same.
  const other = await stage.start("edge-2");
  const there = await stage.connect(other, "alice");
  expect(await publishKey(there, "during")).toMatchObject({ t: "pubd", dup: true });
  expect(await keysIn(edge, C)).toEqual(["before", "during"]);
});

function publishKey(client: RawClient, key: string): Promise<DownJson> {
  return client.request({ t: "pub", c: C, key, body: key });
}

function answersOf(client: RawClient): DownJson[] {
  return client.frames.filter(({ id }) => id !== undefined);
}

/** Publishes on an edge that then hears nothing of its log any more. */
async function sever(
  edge: LocalEdge,
  log: SeveredLog,
  { keeps, key }: Pick<SeveredLog, "keeps"> & { readonly key: string },
): Promise<void> {
  const alice = await stage.connect(edge, "alice");
  log.keeps = keeps;
  log.isSevered = true;
  alice.send({ t: "pub", c: C, key, body: key });
  await delay(systemClock, 200);
  alice.terminate();
}

/** Timers that do nothing once their process is dead. */
function afterUnless(isDead: () => boolean): Clock["after"] {
  return (delayMs, run) =>
    systemClock.after(delayMs, () => {
      if (!isDead()) run();
    });
}

/** As a client does that was told `unavailable`. */
async function settled(publishOnce: () => Promise<DownJson>): Promise<DownJson> {
  return waitFor(
    async () => {
      const answer = await publishOnce();
      return answer.code === "unavailable" ? undefined : answer;
    },
    { what: "an answer that settles it", timeoutMs: 60_000 },
  );
}

/** All again elsewhere, in order, each until it is settled. */
async function repeat(edge: EdgeProcess, keys: readonly string[]): Promise<void> {
  const client = await stage.connect(edge, "alice");
  for (const key of keys) {
    expect(await settled(() => publishKey(client, key))).toMatchObject({ t: "pubd" });
  }
  client.terminate();
}

async function flush(): Promise<void> {
  const { Redis } = await import("ioredis");
  const connection = new Redis(redis.url);
  await connection.flushall();
  connection.disconnect();
}

/** What the log has until now, in its order. */
async function keysIn(edge: EdgePlace, c: string): Promise<string[]> {
  const reader = await stage.connect(edge, "reader");
  const end = await reader.request({ t: "pub", c, body: "end" });
  await subscribe(reader, c, "earliest");
  await reader.next(({ t, pos }) => t === "msg" && pos === end.pos, "the whole topic");
  return reader.messages(c).flatMap(({ key }) => key ?? []);
}
