import type { ByteReader } from "./byte-reader.ts";

/** One request of Kafka's protocol in one version, and how its response is read. */
export interface WireRequest<Answer> {
  readonly apiKey: number;
  readonly apiName: string;
  readonly apiVersion: number;
  /** Everything behind the client id; flexible versions (KIP-482) begin with their header's tags. */
  readonly body: Buffer;
  readonly read: (response: ByteReader) => Answer;
}

export const API_KEYS = {
  PRODUCE: 0,
  FETCH: 1,
  LIST_OFFSETS: 2,
  METADATA: 3,
  FIND_COORDINATOR: 10,
  DESCRIBE_GROUPS: 15,
  API_VERSIONS: 18,
  INIT_PRODUCER_ID: 22,
  DESCRIBE_CONFIGS: 32,
  INCREMENTAL_ALTER_CONFIGS: 44,
  ALTER_PARTITION_REASSIGNMENTS: 45,
  LIST_PARTITION_REASSIGNMENTS: 46,
} as const;

/** Where an array of a flexible version may be null: in the place of its count. */
export const NULL_ARRAY = 0;

/** The only isolation level that is read with: records of aborted transactions never appear. */
export const READ_COMMITTED = 1;

/** In the place of a replica id: a client, not a broker. */
export const NO_REPLICA = -1;

/** Leader epochs (KIP-320) are not compared. */
export const NO_LEADER_EPOCH = -1;
