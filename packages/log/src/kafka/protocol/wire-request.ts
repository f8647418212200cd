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
  API_VERSIONS: 18,
  INIT_PRODUCER_ID: 22,
  INCREMENTAL_ALTER_CONFIGS: 44,
} as const;

/** The only isolation level that is read with: records of aborted transactions never appear. */
export const READ_COMMITTED = 1;

/** In the place of a replica id: a client, not a broker. */
export const NO_REPLICA = -1;

/** Leader epochs (KIP-320) are not compared. */
export const NO_LEADER_EPOCH = -1;
