import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Child, orEnd, outputTail, startChild } from "./child.ts";
import { LOG4J_CONFIG, findJava, kafkaJars } from "./kafka-jars.ts";
import { answersKafka } from "./kafka-answers.ts";
import { waitFor } from "./wait-for.ts";

const run = promisify(execFile);
/** A loaded machine takes minutes to start a broker. */
const READY_MS = 180_000;

export interface KafkaProcessOptions {
  readonly dataFolder: string;
  readonly cacheFolder: string;
  readonly nodeId: number;
  readonly port: number;
  readonly controllerPort: number;
  /** Of all nodes; one alone is a cluster of its own. */
  readonly voters: readonly string[];
  readonly clusterId: string;
  /** What clients are told to connect to; the listener itself unless a proxy stands before it. */
  readonly advertisedPort?: number;
  /** Where brokers reach each other, when clients reach them only through a proxy. */
  readonly internalPort?: number;
  readonly heapMb?: number;
  readonly settings?: Readonly<Record<string, string>>;
  readonly tell?: (line: string) => void;
}

/** One local broker that is its own controller (KRaft), formatted on its first start. */
export async function startKafkaProcess(options: KafkaProcessOptions): Promise<Child> {
  const { dataFolder, cacheFolder, port, heapMb = 512, tell = () => undefined } = options;
  const java = await findJava(cacheFolder, tell);
  const libs = await kafkaJars(cacheFolder, tell);
  mkdirSync(dataFolder, { recursive: true });
  const config = join(dataFolder, "server.properties");
  writeFileSync(config, propertiesOf(options));
  const base = ["-cp", join(libs, "*"), `-Dlog4j2.configurationFile=${LOG4J_CONFIG}`];
  if (!existsSync(join(dataFolder, "log", "meta.properties"))) {
    const format = ["kafka.tools.StorageTool", "format", "-t", options.clusterId, "-c", config];
    await run(java, [...base, "-Xmx128m", ...format, "--ignore-formatted"]);
  }
  const outputFile = join(dataFolder, "kafka.log");
  const gc = ["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"];
  const args = [...base, `-Xms128m`, `-Xmx${heapMb}m`, ...gc, "kafka.Kafka", config];
  const child = startChild({ command: java, args, outputFile, cwd: dataFolder });
  const isAlone = options.voters.length === 1;
  // Of several brokers none answers before the others are there too.
  if (isAlone) await whenKafkaAnswers(child, port);
  return child;
}

export async function whenKafkaAnswers(child: Child, port: number): Promise<void> {
  const answers = waitFor(
    () => {
      if (child.hasExited) {
        throw new Error(`Kafka ended at its start:\n${outputTail(child.outputFile)}`);
      }
      return answersKafka("127.0.0.1", port);
    },
    { what: `Kafka answers on port ${port} (see ${child.outputFile})`, timeoutMs: READY_MS },
  );
  await orEnd(child, answers);
}

/** A cluster id that stays the folder's. */
export function clusterIdIn(folder: string, random: () => Buffer): string {
  const file = join(folder, "cluster-id");
  if (existsSync(file)) return readFileSync(file, "utf8").trim();
  mkdirSync(folder, { recursive: true });
  const id = newClusterId(random);
  writeFileSync(file, id);
  return id;
}

/** 16 random bytes in base64url; never with a dash in front, which Kafka's tools take for an option. */
export function newClusterId(random: () => Buffer): string {
  for (;;) {
    const id = random().toString("base64url");
    if (!id.startsWith("-")) return id;
  }
}

function propertiesOf(options: KafkaProcessOptions): string {
  const { nodeId, port, controllerPort, voters, dataFolder, advertisedPort = port } = options;
  const replicas = String(Math.min(3, voters.length));
  const { internalPort } = options;
  const internal = internalPort === undefined ? "" : `,INTERNAL://127.0.0.1:${internalPort}`;
  const settings: Record<string, string> = {
    "process.roles": "broker,controller",
    "node.id": String(nodeId),
    "controller.quorum.voters": voters.join(","),
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}${internal}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${advertisedPort}${internal}`,
    "inter.broker.listener.name": internal === "" ? "PLAINTEXT" : "INTERNAL",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT",
    "log.dirs": join(dataFolder, "log"),
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": replicas,
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "log.retention.check.interval.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    ...options.settings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}
