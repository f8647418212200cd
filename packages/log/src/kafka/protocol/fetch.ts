import type { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { TOPIC_ID_BYTES } from "./metadata.ts";
import { API_KEYS, NO_LEADER_EPOCH, NO_REPLICA, READ_COMMITTED } from "./wire-request.ts";
import type { WireRequest } from "./wire-request.ts";

export interface FetchQuery {
  readonly topicId: Buffer;
  readonly waitMs: number;
  readonly bytesMax: number;
  readonly partitions: readonly FetchPartition[];
}

export interface FetchPartition {
  readonly partition: number;
  readonly offset: bigint;
  readonly bytesMax: number;
}

export interface FetchAnswer {
  readonly errorCode: number;
  readonly partitions: readonly FetchedPartition[];
}

export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  /** The end for a reader of committed records. */
  readonly lastStableOffset: bigint;
  readonly abortedTransactions: readonly AbortedTransaction[];
  /** Batches, the last of them possibly cut short. */
  readonly records: Buffer;
}

/** From that offset on, the producer's records are of an aborted transaction until it ends. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

const NO_SESSION_ID = 0;
const FINAL_SESSION_EPOCH = -1;
const NO_START_OFFSET = -1n;

/** Fetch v13: by topic id, so that a topic made anew never answers for the old one (KIP-516). */
export function fetchRequest(query: FetchQuery): WireRequest<FetchAnswer> {
  const body = new ByteWriter()
    .noTags()
    .int32(NO_REPLICA)
    .int32(query.waitMs)
    .int32(1)
    .int32(query.bytesMax)
    .int8(READ_COMMITTED)
    .int32(NO_SESSION_ID)
    .int32(FINAL_SESSION_EPOCH)
    .compactCount(1)
    .raw(query.topicId)
    .compactCount(query.partitions.length);
  for (const { partition, offset, bytesMax } of query.partitions) {
    body.int32(partition).int32(NO_LEADER_EPOCH).int64(offset).int32(NO_LEADER_EPOCH);
    body.int64(NO_START_OFFSET).int32(bytesMax).noTags();
  }
  body.noTags().compactCount(0).compactString("").noTags();
  return {
    apiKey: API_KEYS.FETCH,
    apiName: "Fetch",
    apiVersion: 13,
    body: body.finish(),
    read: readAnswer,
  };
}

function readAnswer(response: ByteReader): FetchAnswer {
  response.skipTags();
  response.int32();
  const errorCode = response.int16();
  response.int32();
  const topics = response.compactArray(() => {
    response.skip(TOPIC_ID_BYTES);
    const partitions = response.compactArray(() => readPartition(response));
    response.skipTags();
    return partitions;
  });
  return { errorCode, partitions: topics.flat() };
}

function readPartition(response: ByteReader): FetchedPartition {
  const partition = response.int32();
  const errorCode = response.int16();
  response.int64();
  const lastStableOffset = response.int64();
  response.int64();
  const abortedTransactions = response.compactArray(() => {
    const aborted = { producerId: response.int64(), firstOffset: response.int64() };
    response.skipTags();
    return aborted;
  });
  response.int32();
  const records = response.compactBytes();
  response.skipTags();
  return { partition, errorCode, lastStableOffset, abortedTransactions, records };
}
