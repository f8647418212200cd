import { ByteWriter } from "./byte-writer.ts";
import { API_KEYS, NULL_ARRAY, type WireRequest } from "./wire-request.ts";

/** Where the replicas of a partition shall be; the preferred leader stands first. */
export interface ReplicaWish {
  readonly topic: string;
  readonly partition: number;
  /** Null calls off what is on its way. */
  readonly replicas: readonly number[] | null;
}

export interface ReassignmentAnswer {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly failed: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly errorCode: number;
    readonly errorMessage: string | null;
  }[];
}

const TIMEOUT_MS = 10_000;

/**
 * AlterPartitionReassignments v0 (KIP-455), which kafkajs can't be told to call off.
 *
 * timeout_ms INT32, topics => name, partitions => partition_index INT32, replicas (nullable) INT32
 */
export function alterReassignmentsRequest(
  wishes: readonly ReplicaWish[],
): WireRequest<ReassignmentAnswer> {
  const topics = [...new Set(wishes.map(({ topic }) => topic))];
  const body = new ByteWriter().noTags().int32(TIMEOUT_MS).compactCount(topics.length);
  for (const topic of topics) {
    const those = wishes.filter((wish) => wish.topic === topic);
    body.compactString(topic).compactCount(those.length);
    for (const { partition, replicas } of those) {
      body.int32(partition);
      writeReplicas(body, replicas);
      body.noTags();
    }
    body.noTags();
  }
  return {
    apiKey: API_KEYS.ALTER_PARTITION_REASSIGNMENTS,
    apiName: "AlterPartitionReassignments",
    apiVersion: 0,
    body: body.noTags().finish(),
    read: (response) => {
      response.skipTags();
      response.int32();
      const errorCode = response.int16();
      const errorMessage = response.compactString();
      const answers = response.compactArray(() => {
        const topic = response.compactString() ?? "";
        const partitions = response.compactArray(() => {
          const partition = response.int32();
          const answer = { errorCode: response.int16(), errorMessage: response.compactString() };
          response.skipTags();
          return { topic, partition, ...answer };
        });
        response.skipTags();
        return partitions;
      });
      return {
        errorCode,
        errorMessage,
        failed: answers.flat().filter((one) => one.errorCode !== 0),
      };
    },
  };
}

function writeReplicas(body: ByteWriter, replicas: readonly number[] | null): void {
  if (replicas === null) {
    body.uvarint(NULL_ARRAY);
    return;
  }
  body.compactCount(replicas.length);
  for (const replica of replicas) body.int32(replica);
}
