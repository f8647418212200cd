import {
  AUDIT_PARTITIONS,
  AUDIT_RETENTION_MS,
  CONTROL_PARTITIONS,
  CURSOR_PARTITIONS,
  CURSOR_RETENTION_MS,
  PARTITIONS_DEVELOPMENT,
  RECORD_BYTES_MAX,
  RETENTION_MS,
} from "@millrace/schemas";

/**
 * Messages are kept whole for their time, and so is what operators have done; of the cursors and the
 * rulings, the newest of each.
 */
export type TopicPurpose = "messages" | "cursors" | "control" | "audit";

export interface TopicProblem {
  readonly setting: string;
  readonly value: string;
  readonly wanted: string;
  /** What can't be kept, in a few words. */
  readonly promise: string;
}

export interface TopicWish {
  readonly replicas: number;
  readonly inSync: number;
}

/** What differs from topic to topic. */
export interface TopicShape {
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

const FOR_EVER = -1;

export const TOPIC_SHAPES: Readonly<Record<TopicPurpose, TopicShape>> = {
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
  audit: {
    partitions: AUDIT_PARTITIONS,
    isSingle: true,
    cleanup: "delete",
    retentionMs: AUDIT_RETENTION_MS,
    kept: "what operators have done can be read for its time",
  },
};

const REPLICAS = 3;
const IN_SYNC = 2;

/** On so many brokers; in development as the cluster's size allows. */
export function topicWishFor(nodes: number, isDevelopment: boolean): TopicWish {
  if (!isDevelopment || nodes >= REPLICAS) return { replicas: REPLICAS, inSync: IN_SYNC };
  return { replicas: nodes, inSync: 1 };
}

/** What of these settings can't keep a promise. */
export function topicProblems(
  values: ReadonlyMap<string, string>,
  wish: TopicWish & TopicShape,
): TopicProblem[] {
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
}: TopicWish & TopicShape): Expectation[] {
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
