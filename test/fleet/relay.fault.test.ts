import { setTimeout as sleep } from "node:timers/promises";
import { must } from "@millrace/runtime";
import { type EdgeProcess, RedisServer, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { EdgeStage } from "../../services/edge/src/testing/edge-stage.ts";
import { SteadyLoad } from "../trouble/steady-load.ts";

const PATIENCE_MS = 60_000;
const EDGES = 3;
const PARTITIONS = 12;
/** Beyond what a follower waits before it reads the log itself, and short of the group's own time. */
const FREEZE_MS = 4_000;

let redis: RedisServer;
let stage: EdgeStage;
let edges: EdgeProcess[];
let load: SteadyLoad | undefined;

beforeEach(async () => {
  redis = await RedisServer.start();
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: redis.url });
  edges = [];
  for (let number = 1; number <= EDGES; number++) edges.push(await spawn(`edge-${number}`));
});

afterEach(async () => {
  await load?.stop();
  load = undefined;
  await stage.close();
  await redis.stop();
});

function spawn(id: string): Promise<EdgeProcess> {
  return stage.spawn(id, { env: { EDGE_DELIVERY: "relay" } });
}

async function startLoad(): Promise<SteadyLoad> {
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  load = await SteadyLoad.start({
    edges: edges.map(({ ws }) => ws),
    brokers: inject("kafkaBrokers"),
    topic: stage.topic,
    tokenFor: (sub) => stage.issuer.token({ sub, exp }),
    conversations: Array.from({ length: 8 }, (_, index) => `room:${index}`),
    senders: 4,
    receivers: 6,
    perSecond: 200,
  });
  return load;
}

/** How many partitions come to the edges by the relay. */
async function relayed(): Promise<number> {
  const pages = await Promise.all(
    edges.map(async ({ metrics }) => {
      const page = await fetch(metrics);
      return Number(/^millrace_delivery_mode\{mode="relay"\} (\d+)$/m.exec(await page.text())?.[1]);
    }),
  );
  return pages.reduce((sum, count) => sum + count, 0);
}

/** Each partition is read by its owner, and relayed to all others. */
async function whenRelayed(): Promise<void> {
  const isRelayed = async (): Promise<boolean> => (await relayed()) === PARTITIONS * (EDGES - 1);
  await waitFor(isRelayed, { what: "all but the owners are relayed to", timeoutMs: PATIENCE_MS });
}

async function expectProved(): Promise<void> {
  const { offences, stored } = await must(load, "a load").judge();
  expect(offences).toEqual([]);
  expect(stored).toBeGreaterThan(0);
}

it("Each partition is read once and relayed, and everybody has everything in order", async () => {
  const chat = await startLoad();
  await whenRelayed();
  await chat.whenReceived(400);
  expect(await relayed()).toBe(PARTITIONS * (EDGES - 1));
  await expectProved();
});

it("A partition that changes hands delivers no message twice and none late", async () => {
  const chat = await startLoad();
  await whenRelayed();
  // An owner that is frozen: the others read the log, and it is overtaken before it wakes.
  const frozen = must(edges[0], "an edge");
  frozen.pause();
  await sleep(FREEZE_MS);
  frozen.resume();
  await chat.whenReceived(200);
  // One that is killed, and one that leaves in order.
  await must(edges[1], "an edge").kill();
  await chat.whenReceived(200);
  edges[1] = await spawn("edge-4");
  await whenRelayed();
  await chat.whenReceived(200);
  await expectProved();
});

it("Messages keep arriving while Redis is gone and the relay returns by itself", async () => {
  const chat = await startLoad();
  await whenRelayed();
  await redis.kill();
  await chat.whenReceived(300);
  expect(await relayed()).toBe(0);
  await redis.restart();
  await whenRelayed();
  redis.pause();
  await chat.whenReceived(300);
  redis.resume();
  await whenRelayed();
  await expectProved();
});
