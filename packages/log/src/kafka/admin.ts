import type { CredentialSource, Logger } from "@millrace/runtime";
import { RECORD_BYTES_MAX } from "@millrace/schemas";
import kafkajs, { type Admin } from "kafkajs";
import { kafkaSecurity } from "./credentials.ts";
import {
  TOPIC_SHAPES,
  type TopicProblem,
  type TopicPurpose,
  type TopicShape,
  type TopicWish,
  topicProblems,
  topicWishFor,
} from "./topic-expectations.ts";

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

export interface TopicReport {
  readonly created: boolean;
  /** Brokers of the cluster. */
  readonly brokers: number;
  /** Settings of a topic that was there already and can't keep a promise. */
  readonly problems: readonly TopicProblem[];
}

/** Node finds only some of the names in this CommonJS package. */
const { ConfigResourceTypes, Kafka, logLevel } = kafkajs;

/** Of each connection and request, before it is said to have failed. */
const RETRIES = 5;

/**
 * Makes the topic, with explicit settings, where it is missing; one that is there is looked at and
 * never changed. Rejects when the cluster can't be reached or does not let us.
 */
export async function ensureTopic(options: EnsureTopicOptions): Promise<TopicReport> {
  const { brokers, topic, purpose = "messages", isDevelopment, logger, credentials } = options;
  const admin = adminOf({ brokers, ...(credentials && { credentials }) });
  await admin.connect();
  try {
    const nodes = (await admin.describeCluster()).brokers.length;
    const wish = topicWishFor(nodes, isDevelopment);
    const isThere = (await admin.listTopics()).includes(topic);
    const created =
      !isThere && (await create(admin, topic, { ...wish, ...TOPIC_SHAPES[purpose], nodes }));
    if (created) logger.info({ topic, ...wish }, "topic created");
    return {
      created,
      brokers: nodes,
      problems: topicProblems(await valuesOf(admin, topic), {
        ...wish,
        ...TOPIC_SHAPES[purpose],
      }),
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

/** Not connected yet. */
function adminOf({
  brokers,
  credentials,
}: Pick<EnsureTopicOptions, "brokers" | "credentials">): Admin {
  const kafka = new Kafka({
    ...kafkaSecurity(credentials),
    brokers: [...brokers],
    clientId: "millrace-admin",
    logLevel: logLevel.NOTHING,
    retry: { retries: RETRIES },
  });
  return kafka.admin();
}

/** What a topic that is not there can't keep. */
export function missingTopic(purpose: TopicPurpose): readonly TopicProblem[] {
  const { kept: promise } = TOPIC_SHAPES[purpose];
  return [{ setting: "topic", value: "missing", wanted: "there", promise }];
}

/** A topic as the cluster tells of it. */
interface ToldTopic {
  /** Brokers of the cluster. */
  readonly nodes: number;
  /** Of each partition, how many. */
  readonly replicas: readonly number[];
  readonly settings: Iterable<readonly [string, string]>;
}

/** What a topic that is there can't keep. */
export function problemsOf(
  { nodes, replicas, settings }: ToldTopic,
  { purpose, isDevelopment }: { readonly purpose: TopicPurpose; readonly isDevelopment: boolean },
): readonly TopicProblem[] {
  const values = new Map([
    ["partitions", String(replicas.length)],
    ["replication.factor", String(Math.min(...replicas))],
    ...settings,
  ]);
  return topicProblems(values, { ...topicWishFor(nodes, isDevelopment), ...TOPIC_SHAPES[purpose] });
}

/** False when somebody else has made it meanwhile. */
function create(
  admin: Admin,
  topic: string,
  wish: TopicWish & TopicShape & { readonly nodes: number },
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
