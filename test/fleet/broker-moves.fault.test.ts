import { setTimeout as sleep } from "node:timers/promises";
import { KafkaCluster, RedisServer, reassign, whenInSync } from "@millrace/testkit";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { DELIVERIES } from "../../services/edge/src/testing/deliveries.ts";
import type { SteadyLoad } from "../trouble/steady-load.ts";
import { Fleet } from "./fleet.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const PER_SECOND = IS_FULL ? 200 : 60;
const EDGES = IS_FULL ? 3 : 2;
const CONTROL_MS = IS_FULL ? 20_000 : 3_000;
const BROKERS = 3;
const TEST_MS = 600_000;

/** A broker that is killed is done without after 3 s instead of 9, and out of sync after 5 instead of 30. */
const QUICK_TO_NOTICE = {
  "broker.heartbeat.interval.ms": "500",
  "broker.session.timeout.ms": "3000",
  "replica.lag.time.max.ms": "5000",
};

/** One for each way of delivery, on one cluster: what happens to it happens to both. */
let fleets: Fleet[];
let cluster: KafkaCluster;

beforeAll(async () => {
  cluster = await KafkaCluster.start({ brokers: BROKERS, settings: QUICK_TO_NOTICE });
  const { brokers } = cluster;
  fleets = [];
  for (const delivery of DELIVERIES) {
    const redis = await RedisServer.start();
    const env = { EDGE_DEVELOPMENT: "false" };
    fleets.push(await Fleet.open({ brokers, edges: EDGES, redis, delivery, env }));
  }
}, 240_000);

afterEach(() => each((fleet) => fleet.endLoad()));

afterAll(async () => {
  await each((fleet) => fleet.close());
  await cluster.stop();
});

function each<Result>(act: (fleet: Fleet) => Promise<Result>): Promise<Result[]> {
  return Promise.all(fleets.map((fleet) => act(fleet)));
}

/** Under load in both fleets; nothing is lost, and how long things took is printed. */
async function move(name: string, act: (loads: readonly SteadyLoad[]) => Promise<void>) {
  const loads = await each(async (fleet) => {
    const load = await fleet.load({ perSecond: PER_SECOND });
    await fleet.whenRelayed();
    return load;
  });
  const controlMs = performance.now();
  await sleep(CONTROL_MS);
  const controls = loads.map((load) => load.figuresSince(controlMs));
  const startMs = performance.now();
  await act(loads);
  await Promise.all(loads.map((load) => load.whenPublishedInEach(2)));
  await Promise.all(loads.map((load) => load.whenReceived(PER_SECOND)));
  const tookS = Math.round((performance.now() - startMs) / 1_000);
  for (const [index, load] of loads.entries()) {
    const during = load.figuresSince(startMs);
    const longestDelayMs = load.longestDelaySince(startMs);
    const figures = JSON.stringify({ control: controls[index], during, longestDelayMs });
    process.stdout.write(`${name}, ${DELIVERIES[index]}, ${tookS} s: ${figures}\n`);
  }
  for (const load of loads) {
    const { offences, repeatedKeys } = await load.judge();
    expect(offences).toEqual([]);
    expect(repeatedKeys).toBe(0);
  }
}

it(
  "Partitions that are reassigned cost nobody a message",
  () =>
    move("reassignment", async () => {
      // Each leaves the broker that leads it, and comes back to it as to the last of three.
      for (const { stage } of fleets) {
        await reassign(cluster.brokers, stage.topic, ({ replicas }) => replicas.slice(1));
      }
      for (const { stage } of fleets) {
        const all = Array.from({ length: BROKERS }, (_, index) => index + 1);
        await reassign(cluster.brokers, stage.topic, ({ replicas }) => {
          return [...replicas, ...all.filter((node) => !replicas.includes(node))];
        });
      }
    }),
  TEST_MS,
);

it(
  "An election of the preferred leaders costs nobody a message",
  () =>
    move("preferred leaders", async () => {
      // The same replicas in another order: the controller sees it, and elects the first of them.
      for (const { stage } of fleets) {
        await reassign(cluster.brokers, stage.topic, ({ replicas }) => rotated(replicas));
      }
    }),
  TEST_MS,
);

it(
  "Brokers that are restarted one after the other cost nobody a message",
  () =>
    move("rolling restart", async () => {
      for (let index = 0; index < BROKERS; index++) {
        await cluster.terminate(index);
        await cluster.restart(index);
        await whenInSync(cluster.brokers);
      }
    }),
  TEST_MS,
);

// The last one here: the broker never comes back.
it(
  "A broker that is lost for good costs time, and nobody a message",
  () =>
    move("a broker lost", async (loads) => {
      await cluster.kill(0);
      await Promise.all(loads.map((load) => load.whenPublishedInEach(10)));
    }),
  TEST_MS,
);

function rotated(replicas: readonly number[]): number[] {
  return [...replicas.slice(1), ...replicas.slice(0, 1)];
}
