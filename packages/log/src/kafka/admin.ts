import type { CredentialSource, Logger } from "@millrace/runtime";
import {
  CONTROL_PARTITIONS,
  CURSOR_PARTITIONS,
  CURSOR_RETENTION_MS,
  PARTITIONS_DEVELOPMENT,
  RECORD_BYTES_MAX,
  RETENTION_MS,
} from "@millrace/schemas";
import kafkajs, { type Admin } from "kafkajs";
import { kafkaSecurity } from "./credentials.ts";

export interface EnsureTopicOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  /** What it is for; the messages, when not said. */
  readonly purpose?: TopicPurpose;
  /** Replicas as the cluster's size allows, instead of as the promises want them. */
  readonly isDevelopment: boolean;
  readonly logger: Logger;
  /** Without it connections are plain. */
  readonly credentials?: CredentialSource;
}

/** Messages are kept whole for their time; of the cursors and the rulings, the newest of each. */
export type TopicPurpose = "messages" | "cursors" | "control";

export interface TopicReport {
  readonly created: boolean;
  /** Brokers of the cluster. */
  readonly brokers: number;
  /** Settings of a topic that was there already and can't keep a promise. */
  readonly problems: readonly TopicProblem[];
}

export interface TopicProblem {
  readonly setting: string;
  readonly value: string;
  readonly wanted: string;
  /** What can't be kept, in a few words. */
  readonly promise: string;
}

interface Wish {
  readonly replicas: number;
  readonly inSync: number;
}

/** What differs from topic to topic. */
interface Shape {
  readonly partitions: number;
  /** More of them would be wrong, too: its records have one order. */
  readonly isSingle?: true;
  readonly cleanup: string;
  readonly retentionMs: number;
  /** The promise that its cleaning must keep. */
  readonly kept: string;
}

interface Expectation {
  readonly setting: string;
  readonly wanted: string;
  readonly promise: string;
  readonly isMet: (value: string) => boolean;
}

/** Node finds only some of the names in this CommonJS package. */
const { ConfigResourceTypes, Kafka, logLevel } = kafkajs;

const FOR_EVER = -1;

const SHAPES: Readonly<Record<TopicPurpose, Shape>> = {
  messages: {
    partitions: PARTITIONS_DEVELOPMENT,
    cleanup: "delete",
    retentionMs: RETENTION_MS,
    kept: "no message goes missing without a gap",
  },
  cursors: {
    partitions: CURSOR_PARTITIONS,
    cleanup: "compact,delete",
    retentionMs: CURSOR_RETENTION_MS,
    kept: "the newest acknowledgement of each cursor is kept for its time",
  },
  control: {
    partitions: CONTROL_PARTITIONS,
    isSingle: true,
    cleanup: "compact",
    retentionMs: FOR_EVER,
    kept: "what was ruled holds until it is lifted",
  },
};

const REPLICAS = 3;
const IN_SYNC = 2;

/**
 * Makes the topic, with explicit settings, where it is missing; one that is there is looked at and
 * never changed. Rejects when the cluster can't be reached or does not let us.
 */
export async function ensureTopic(options: EnsureTopicOptions): Promise<TopicReport> {
  const { brokers, topic, purpose = "messages", isDevelopment, logger, credentials } = options;
  const kafka = new Kafka({
    ...kafkaSecurity(credentials),
    brokers: [...brokers],
    clientId: "millrace-admin",
    logLevel: logLevel.NOTHING,
    retry: { retries: 5 },
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const nodes = (await admin.describeCluster()).brokers.length;
    const wish = wishFor(nodes, isDevelopment);
    const isThere = (await admin.listTopics()).includes(topic);
    const created =
      !isThere && (await create(admin, topic, { ...wish, ...SHAPES[purpose], nodes }));
    if (created) logger.info({ topic, ...wish }, "topic created");
    return {
      created,
      brokers: nodes,
      problems: await problemsOf(admin, topic, { ...wish, ...SHAPES[purpose] }),
    };
  } finally {
    await admin.disconnect();
  }
}

/** One line for people: the setting, its value, and the wanted one. */
export function formatProblem(topic: string, problem: TopicProblem): string {
  const { setting, value, wanted, promise } = problem;
  return `${topic}: ${setting} is ${value}, wanted ${wanted} (${promise})`;
}

function wishFor(nodes: number, isDevelopment: boolean): Wish {
  if (!isDevelopment || nodes >= REPLICAS) return { replicas: REPLICAS, inSync: IN_SYNC };
  return { replicas: nodes, inSync: 1 };
}

/** False when somebody else has made it meanwhile. */
function create(
  admin: Admin,
  topic: string,
  wish: Wish & Shape & { readonly nodes: number },
): Promise<boolean> {
  const settings = {
    "min.insync.replicas": String(wish.inSync),
    "unclean.leader.election.enable": "false",
    "cleanup.policy": wish.cleanup,
    "message.timestamp.type": "LogAppendTime",
    "retention.ms": String(wish.retentionMs),
    "compression.type": "producer",
    "max.message.bytes": String(RECORD_BYTES_MAX),
  };
  return admin.createTopics({
    waitForLeaders: true,
    topics: [
      {
        topic,
        numPartitions: wish.partitions,
        // A cluster that is too small is told as a problem, not as the broker's refusal.
        replicationFactor: Math.min(wish.replicas, wish.nodes),
        configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
      },
    ],
  });
}

async function problemsOf(
  admin: Admin,
  topic: string,
  wish: Wish & Shape,
): Promise<TopicProblem[]> {
  const values = await valuesOf(admin, topic);
  return expectations(wish).flatMap(({ isMet, ...expectation }) => {
    const value = values.get(expectation.setting) ?? "not told";
    return isMet(value) ? [] : [{ value, ...expectation }];
  });
}

function expectations({
  replicas,
  inSync,
  partitions,
  isSingle,
  cleanup,
  kept,
}: Wish & Shape): Expectation[] {
  return [
    isSingle
      ? exactly("partitions", String(partitions), "its records have one order")
      : atLeast("partitions", partitions, "keys are spread over them"),
    atLeast("replication.factor", replicas, "an acknowledged message survives a broker"),
    atLeast("min.insync.replicas", inSync, "an acknowledged message survives a broker"),
    exactly("unclean.leader.election.enable", "false", "an acknowledged message is never lost"),
    exactly("cleanup.policy", cleanup, kept),
    exactly("message.timestamp.type", "LogAppendTime", "times are the broker's"),
    atLeast("max.message.bytes", RECORD_BYTES_MAX, "every accepted message fits"),
  ];
}

function atLeast(setting: string, least: number, promise: string): Expectation {
  const isMet = (value: string): boolean => Number(value) >= least;
  return { setting, wanted: `${least} or more`, promise, isMet };
}

function exactly(setting: string, wanted: string, promise: string): Expectation {
  return { setting, wanted, promise, isMet: (value) => value === wanted };
}

async function valuesOf(admin: Admin, topic: string): Promise<Map<string, string>> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  const partitions = topics[0]?.partitions ?? [];
  const replicas = Math.min(...partitions.map(({ replicas: nodes }) => nodes.length));
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
  });
  const configs = resources[0]?.configEntries ?? [];
  return new Map([
    ["partitions", String(partitions.length)],
    ["replication.factor", String(replicas)],
    ...configs.map(({ configName, configValue }) => [configName, configValue] as const),
  ]);
}
