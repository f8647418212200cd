import type { TestProject } from "vitest/node";
import { KafkaCluster } from "./kafka-cluster.ts";
import { RedisServer } from "./redis-server.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** `host:port` of a broker that all test files share; topics are each file's own. */
    kafkaBrokers: string[];
    redisUrl: string;
  }
}

interface Services {
  readonly kafkaBrokers: string[];
  readonly redisUrl: string;
  readonly stop: () => Promise<unknown>;
}

/** Shared by the projects of one run, each of which has this module once. */
const shared = globalThis as { millraceServices?: { users: number; running: Promise<Services> } };

/** Global set-up of the tests that need a broker or Redis: given by environment, or started. */
export default async function provideServices(project: TestProject): Promise<() => Promise<void>> {
  shared.millraceServices ??= { users: 0, running: startServices() };
  const services = shared.millraceServices;
  services.users++;
  const { kafkaBrokers, redisUrl, stop } = await services.running;
  project.provide("kafkaBrokers", kafkaBrokers);
  project.provide("redisUrl", redisUrl);
  return async () => {
    services.users--;
    if (services.users === 0) await stop();
  };
}

async function startServices(): Promise<Services> {
  const { KAFKA_BROKERS: brokers, REDIS_URL: url } = process.env;
  const [kafka, redis] = await Promise.all([
    brokers === undefined ? KafkaCluster.start({ brokers: 1 }) : undefined,
    url === undefined ? RedisServer.start() : undefined,
  ]);
  return {
    kafkaBrokers: brokers?.split(",") ?? kafka?.brokers ?? [],
    redisUrl: url ?? redis?.url ?? "",
    stop: () => Promise.all([kafka?.stop(), redis?.stop()]),
  };
}
