import { chmodSync, mkdirSync } from "node:fs";
import type { StartedTestContainer } from "testcontainers";
import { answersKafka } from "./kafka-answers.ts";
import {
  type NginxOptions,
  answersNginx,
  nginxArguments,
  writeNginxConfig,
} from "./nginx-process.ts";
import { answersRedis } from "./redis-process.ts";
import { waitFor } from "./wait-for.ts";

const KAFKA_IMAGE = "apache/kafka:4.1.0";
const REDIS_IMAGE = "valkey/valkey:8.1";
const NGINX_IMAGE = "nginx:1.28-alpine";
const KAFKA_PORT = 9092;
const REDIS_PORT = 6379;
const START_MS = 180_000;
const STOP_MS = 15_000;

/** Kafka or Redis in a container; should we be killed, the reaper of testcontainers ends it. */
export interface Container {
  stop(): Promise<void>;
}

export interface ContainerOptions {
  readonly dataFolder: string;
  /** On this machine. */
  readonly port: number;
}

/** A broker that is its own controller (KRaft), with its data in the folder. */
export async function startKafkaContainer(
  options: ContainerOptions & { readonly clusterId: string },
): Promise<Container> {
  const { port, clusterId } = options;
  const started = await startContainer(options, {
    image: KAFKA_IMAGE,
    inner: KAFKA_PORT,
    data: "/var/lib/kafka/data",
    environment: kafkaEnvironment(port, clusterId),
  });
  const isThere = (): Promise<boolean> => answersKafka("127.0.0.1", port);
  return whenAnswers(started, isThere, `Kafka answers on port ${port}`);
}

/** A Valkey that keeps what it is told, with its data in the folder. */
export async function startRedisContainer(options: ContainerOptions): Promise<Container> {
  const policy = ["--maxmemory-policy", "noeviction", "--save", "", "--appendonly", "yes"];
  const started = await startContainer(options, {
    image: REDIS_IMAGE,
    inner: REDIS_PORT,
    data: "/data",
    command: ["valkey-server", ...policy],
  });
  const isThere = (): Promise<boolean> => answersRedis(options.port);
  return whenAnswers(started, isThere, `Redis answers on port ${options.port}`);
}

/**
 * A load balancer that shares our network, because its edges listen on our loopback. All files have the
 * same paths inside, and it runs as whoever runs us, so that it may read the key and we may tidy up.
 */
export async function startNginxContainer(options: NginxOptions): Promise<Container> {
  const { folder, port, authority } = options;
  const config = writeNginxConfig(options);
  const read = [options.certificateFile, options.keyFile, options.ticketKeyFile];
  const mounts = [...new Set(read)].map((file) => ({
    source: file,
    target: file,
    mode: "ro" as const,
  }));
  const { GenericContainer } = await import("testcontainers");
  const started = await new GenericContainer(NGINX_IMAGE)
    .withNetworkMode("host")
    .withUser(`${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`)
    .withBindMounts([{ source: folder, target: folder }, ...mounts])
    .withCommand(["nginx", ...nginxArguments({ folder, config, takesErrorLog: true })])
    .withStartupTimeout(START_MS)
    .start();
  const isThere = (): Promise<boolean> => answersNginx(port, authority);
  return whenAnswers(started, isThere, `nginx answers on port ${port}`);
}

interface Recipe {
  readonly image: string;
  readonly inner: number;
  readonly data: string;
  readonly environment?: Record<string, string>;
  readonly command?: string[];
}

async function startContainer(
  { dataFolder, port }: ContainerOptions,
  { image, inner, data, environment = {}, command }: Recipe,
): Promise<StartedTestContainer> {
  mkdirSync(dataFolder, { recursive: true });
  // The user inside of the image is not the one who runs this.
  chmodSync(dataFolder, 0o777);
  // Loaded here: it takes a while, and few need it.
  const { GenericContainer } = await import("testcontainers");
  const container = new GenericContainer(image)
    .withExposedPorts({ container: inner, host: port })
    .withBindMounts([{ source: dataFolder, target: data }])
    .withEnvironment(environment)
    .withStartupTimeout(START_MS);
  return (command === undefined ? container : container.withCommand(command)).start();
}

async function whenAnswers(
  started: StartedTestContainer,
  isThere: () => Promise<boolean>,
  what: string,
): Promise<Container> {
  const stop = async (): Promise<void> => {
    await started.stop({ timeout: STOP_MS });
  };
  try {
    await waitFor(isThere, { what, timeoutMs: START_MS });
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

/** The same settings as the local broker's; the image turns `KAFKA_A_B` into `a.b`. */
function kafkaEnvironment(port: number, clusterId: string): Record<string, string> {
  return {
    CLUSTER_ID: clusterId,
    KAFKA_NODE_ID: "1",
    KAFKA_PROCESS_ROLES: "broker,controller",
    KAFKA_CONTROLLER_QUORUM_VOTERS: "1@localhost:9093",
    KAFKA_LISTENERS: `PLAINTEXT://:${KAFKA_PORT},CONTROLLER://:9093`,
    KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
    KAFKA_CONTROLLER_LISTENER_NAMES: "CONTROLLER",
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    KAFKA_LOG_DIRS: "/var/lib/kafka/data",
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: "false",
    KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: "0",
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: "1",
    KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: "1",
    KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: "1",
  };
}
