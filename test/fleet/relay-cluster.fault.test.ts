import { RedisCluster, redisCommand } from "@millrace/testkit";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { channelOf } from "../../services/edge/src/relay/relay-bucket.ts";
import { Fleet } from "./fleet.ts";

const PER_SECOND = 200;

let redis: RedisCluster;
let fleet: Fleet;

beforeAll(async () => {
  redis = await RedisCluster.start({ hasReplicas: true });
  fleet = await Fleet.open({ brokers: inject("kafkaBrokers"), edges: 2, redis });
}, 120_000);

afterAll(() => fleet.close());

it("The relay through a Redis Cluster survives slots that move, a failover and a lost master", async () => {
  const load = await fleet.load({ perSecond: PER_SECOND });
  const goOn = (): Promise<void> => load.whenReceived(PER_SECOND);
  await fleet.whenRelayed();
  const delaysMs: Record<string, number> = {};
  const measure = async (name: string, fault: () => Promise<unknown>): Promise<void> => {
    const startMs = performance.now();
    await fault();
    await goOn();
    delaysMs[name] = load.longestDelaySince(startMs);
  };
  await measure("slots move", async () => {
    for (const partition of [0, 1, 2, 3]) {
      await redis.moveSlot(await redis.slotOf(channelOf(fleet.stage.topic, partition, 0)));
      await goOn();
    }
  });
  await measure("a replica takes over", () =>
    redisCommand(redis.replicas[1]?.port ?? 0, "CLUSTER", "FAILOVER"),
  );
  await measure("a master is killed", async () => {
    await redis.nodes[2]?.kill();
    await goOn();
  });
  await fleet.whenRelayed();
  await goOn();
  expect((await load.judge()).offences).toEqual([]);
  process.stdout.write(`a Redis Cluster: longest delays in ms ${JSON.stringify(delaysMs)}\n`);
}, 240_000);
