import type { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { API_KEYS, NULL_ARRAY, type WireRequest } from "./wire-request.ts";

/** Replicas of one partition on their way; `replicas` are the old and the new ones. */
export interface PartitionReassignment {
  readonly topic: string;
  readonly partition: number;
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly removing: readonly number[];
}

export interface ReassignmentList {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly partitions: readonly PartitionReassignment[];
}

const TIMEOUT_MS = 10_000;

/**
 * ListPartitionReassignments v0 (KIP-455) of all topics. kafkajs looks at the metadata of every topic
 * before it asks, and asks nothing where one partition of the cluster has no leader.
 *
 * timeout_ms INT32, topics (nullable) => name, partition_indexes INT32
 */
export function listReassignmentsRequest(): WireRequest<ReassignmentList> {
  return {
    apiKey: API_KEYS.LIST_PARTITION_REASSIGNMENTS,
    apiName: "ListPartitionReassignments",
    apiVersion: 0,
    body: new ByteWriter().noTags().int32(TIMEOUT_MS).uvarint(NULL_ARRAY).noTags().finish(),
    read: (response) => {
      response.skipTags();
      response.int32();
      const errorCode = response.int16();
      const errorMessage = response.compactString();
      const partitions = response.compactArray(() => topicIn(response)).flat();
      return { errorCode, errorMessage, partitions };
    },
  };
}

function topicIn(response: ByteReader): PartitionReassignment[] {
  const topic = response.compactString() ?? "";
  const brokers = (): number[] => response.compactArray(() => response.int32());
  const partitions = response.compactArray(() => {
    const partition = response.int32();
    const moving = { replicas: brokers(), adding: brokers(), removing: brokers() };
    response.skipTags();
    return { topic, partition, ...moving };
  });
  response.skipTags();
  return partitions;
}
