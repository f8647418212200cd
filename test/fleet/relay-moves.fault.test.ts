import { setTimeout as sleep } from "node:timers/promises";
import { must } from "@millrace/runtime";
import { type EdgeProcess, RedisServer, redisCommand, waitFor } from "@millrace/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { EdgeStage } from "../../services/edge/src/testing/edge-stage.ts";
import { SteadyLoad } from "../trouble/steady-load.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const REPETITIONS = IS_FULL ? 20 : 2;
const PER_SECOND = IS_FULL ? 1_000 : 200;
const EDGES = 3;
const FREEZE_MS = 3_000;
const PATIENCE_MS = 90_000;

let redis: RedisServer;
let stage: EdgeStage;
const edges: EdgeProcess[] = [];
let load: SteadyLoad | undefined;
let names = 0;

async function spawn(index: number): Promise<EdgeProcess> {
  const { port, metricsPort } = edges[index] ?? {};
  const edge = await stage.spawn(`edge-${index + 1}`, {
    ...(port !== undefined && { port }),
    ...(metricsPort !== undefined && { metricsPort }),
    env: { EDGE_DELIVERY: "relay" },
  });
  edges[index] = edge;
  return edge;
}

/** How many partitions the edge gets by the relay alone. */
async function relayedBy({ metrics }: EdgeProcess): Promise<number> {
  const page = await (await fetch(metrics)).text();
  return Number(/^millrace_delivery_mode\{mode="relay"\} (\S+)$/m.exec(page)?.[1] ?? 0);
}

async function whenRelayed(): Promise<void> {
  const areRelayed = async (): Promise<boolean> =>
    (await Promise.all(edges.map(relayedBy))).every((count) => count > 0);
  await waitFor(areRelayed, { what: "every edge is relayed to", timeoutMs: PATIENCE_MS });
}

beforeAll(async () => {
  redis = await RedisServer.start();
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: redis.url });
  await stage.makeTopic();
  for (let index = 0; index < EDGES; index++) await spawn(index);
}, PATIENCE_MS);

afterAll(async () => {
  await stage.close();
  await redis.stop();
});

beforeEach(async () => {
  const conversations = Array.from({ length: 24 }, () => `room:${names++}`);
  load = await SteadyLoad.start({
    edges: edges.map(({ ws }) => ws),
    brokers: inject("kafkaBrokers"),
    topic: stage.topic,
    tokenFor: (sub) => stage.issuer.token({ sub }),
    conversations,
    senders: 3,
    receivers: 6,
    perSecond: PER_SECOND,
  });
  await whenRelayed();
});

afterEach(async () => {
  await load?.stop();
  load = undefined;
});

/** Twice as much as comes in a second, so that what was said before has settled. */
async function goOn(): Promise<void> {
  await must(load, "the load").whenReceived(2 * PER_SECOND);
}

const FAULTS: Readonly<Record<string, () => Promise<void>>> = {
  "an owner is killed": async () => {
    await must(edges[1], "an edge").kill();
    await spawn(1);
  },
  "an owner is frozen and woken": async () => {
    edges[2]?.pause();
    await sleep(FREEZE_MS);
    edges[2]?.resume();
  },
  "an owner drains and comes back": async () => {
    expect(await must(edges[1], "an edge").terminate()).toBe(0);
    await spawn(1);
  },
  "the relay's connections are cut": async () => {
    await redisCommand(redis.port, "CLIENT", "KILL", "TYPE", "pubsub");
  },
  "Redis is flushed": async () => {
    await redisCommand(redis.port, "FLUSHALL");
  },
  "Redis is frozen and woken": async () => {
    redis.pause();
    await goOn();
    redis.resume();
  },
  "Redis is killed and comes back": async () => {
    await redis.kill();
    await goOn();
    await redis.restart();
  },
};

describe("edges that are relayed to lose, double and swap nothing when", () => {
  it.each(Object.entries(FAULTS))(
    "%s",
    async (name, fault) => {
      const steady = must(load, "the load");
      const delaysMs: number[] = [];
      for (let time = 0; time < REPETITIONS; time++) {
        const startMs = performance.now();
        await fault();
        await goOn();
        delaysMs.push(steady.longestDelaySince(startMs));
      }
      const { offences, stored } = await steady.judge();
      expect(offences).toEqual([]);
      process.stdout.write(
        `${name}: longest delays ${delaysMs.join(", ")} ms, ${stored} records\n`,
      );
    },
    IS_FULL ? 1_800_000 : 240_000,
  );
});
