import { credentialsIn } from "@millrace/runtime";
import type { GivenKafka } from "./cluster.ts";
import type { GivenRedis } from "./redis-store.ts";
import type { StartOptions } from "./start-options.ts";

/** The cluster that the environment names, if it names one. */
export function givenKafka(options: StartOptions): GivenKafka | undefined {
  const { kafkaBrokers: brokers, kafkaSecurityDir: folder } = options;
  if (brokers === undefined) return undefined;
  return { brokers, ...(folder !== undefined && { credentials: credentialsIn(folder) }) };
}

export function givenRedis(options: StartOptions): GivenRedis | undefined {
  const { redisUrl: url, redisSecurityDir: folder } = options;
  if (url === undefined) return undefined;
  return { url, ...(folder !== undefined && { credentials: credentialsIn(folder) }) };
}
