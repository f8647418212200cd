import { rmSync } from "node:fs";
import { join } from "node:path";
import { deleteTopic } from "./cluster.ts";
import { givenKafka, givenRedis } from "./given.ts";
import { deleteKeys } from "./redis-store.ts";
import { StartRefusal } from "./start-refusal.ts";
import type { StartOptions } from "./start-options.ts";

/** What belongs to a run; the issuer and what was downloaded stay. */
const WIPED = ["kafka", "redis", "logs"];

/** What somebody else runs may hold what somebody else needs. */
export function refuseUnconfirmedWipe(options: StartOptions): void {
  const { isFresh, isConfirmed, kafkaBrokers, redisUrl, topic } = options;
  if (!isFresh || isConfirmed) return;
  const losses = [
    ...(kafkaBrokers ? [`the topic ${topic} in KAFKA_BROKERS`] : []),
    ...(redisUrl === undefined ? [] : ["all keys mr:* in REDIS_URL"]),
  ];
  if (losses.length === 0) return;
  throw new StartRefusal(`--fresh would delete ${losses.join(" and ")}; add --yes to allow it`);
}

/** Empties what the run begins with, before anything is started. */
export async function wipe(options: StartOptions): Promise<void> {
  const { dataFolder, topic } = options;
  for (const name of WIPED) rmSync(join(dataFolder, name), { recursive: true, force: true });
  const [kafka, redis] = [givenKafka(options), givenRedis(options)];
  if (kafka !== undefined) await deleteTopic(kafka, topic);
  if (redis !== undefined) await deleteKeys(redis);
}
