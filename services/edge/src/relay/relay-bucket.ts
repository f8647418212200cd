import { murmur2 } from "@millrace/schemas";

/** Channels of one partition: an edge hears only those in which it has subscribers. */
export const RELAY_BUCKETS = 16;

/**
 * The bucket of a record key. Upper bits of Kafka's own hash: its lower ones have chosen the
 * partition already, so that within a partition they say nothing.
 */
export function bucketOf(key: Uint8Array): number {
  return (murmur2(key) >>> 20) % RELAY_BUCKETS;
}

/** The channel's hash tag spreads the partitions over a Redis Cluster's masters. */
export function channelOf(topic: string, partition: number, bucket: number): string {
  return `mr:relay:{${topic}:${partition}}:${bucket}`;
}
