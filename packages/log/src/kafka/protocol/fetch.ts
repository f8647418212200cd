import type { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { TOPIC_ID_BYTES } from "./metadata.ts";
import { API_KEYS, NO_LEADER_EPOCH, NO_REPLICA, READ_COMMITTED } from "./wire-request.ts";
import type { WireRequest } from "./wire-request.ts";

export interface FetchQuery {
  readonly topicId: Buffer;
  readonly waitMs: number;
  readonly bytesMax: number;
  readonly session: FetchSessionStep;
  /** In a session: those that are new in it, or have another offset. */
  readonly partitions: readonly FetchPartition[];
  /** No longer wanted in the session. */
  readonly forgotten: readonly number[];
}

/** Which request of which session it is (KIP-227). */
export interface FetchSessionStep {
  readonly id: number;
  readonly epoch: number;
}

/** The first request: the broker's answer names the session. */
export const NO_SESSION: FetchSessionStep = { id: 0, epoch: 0 };

/** A request by itself: answered at once, and nothing is remembered of it. */
export const SINGLE = { session: { id: 0, epoch: -1 }, waitMs: 0, forgotten: [] } as const;

export interface FetchPartition {
  readonly partition: number;
  readonly offset: bigint;
  readonly bytesMax: number;
}

export interface FetchAnswer {
  readonly errorCode: number;
  /** 0: the broker has begun none. */
  readonly sessionId: number;
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

const NO_START_OFFSET = -1n;
const HEADER_BYTES = 96;
const PARTITION_BYTES = 40;
const NONE_ABORTED: readonly AbortedTransaction[] = [];

/** Fetch v13: by topic id, so that a topic made anew never answers for the old one (KIP-516). */
export function fetchRequest(query: FetchQuery): WireRequest<FetchAnswer> {
  const { topicId, session, partitions, forgotten } = query;
  const body = new ByteWriter(HEADER_BYTES + partitions.length * PARTITION_BYTES)
    .noTags()
    .int32(NO_REPLICA)
    .int32(query.waitMs)
    .int32(1)
    .int32(query.bytesMax)
    .int8(READ_COMMITTED)
    .int32(session.id)
    .int32(session.epoch)
    .compactCount(Math.min(1, partitions.length));
  if (partitions.length > 0) body.raw(topicId).compactCount(partitions.length);
  for (const { partition, offset, bytesMax } of partitions) {
    body.int32(partition).int32(NO_LEADER_EPOCH).int64(offset).int32(NO_LEADER_EPOCH);
    body.int64(NO_START_OFFSET).int32(bytesMax).noTags();
  }
  if (partitions.length > 0) body.noTags();
  body.compactCount(Math.min(1, forgotten.length));
  if (forgotten.length > 0) {
    body.raw(topicId).compactCount(forgotten.length);
    for (const partition of forgotten) body.int32(partition);
    body.noTags();
  }
  body.compactString("").noTags();
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
  const sessionId = response.int32();
  const partitions: FetchedPartition[] = [];
  for (let topics = response.compactCount(); topics > 0; topics--) {
    response.skip(TOPIC_ID_BYTES);
    for (let count = response.compactCount(); count > 0; count--) {
      partitions.push(readPartition(response));
    }
    response.skipTags();
  }
  return { errorCode, sessionId, partitions };
}

function readPartition(response: ByteReader): FetchedPartition {
  const partition = response.int32();
  const errorCode = response.int16();
  response.skip(8);
  const lastStableOffset = response.int64();
  response.skip(8);
  const abortedTransactions = readAborted(response);
  response.skip(4);
  const records = response.compactBytes();
  response.skipTags();
  return { partition, errorCode, lastStableOffset, abortedTransactions, records };
}

function readAborted(response: ByteReader): readonly AbortedTransaction[] {
  let count = response.compactCount();
  if (count <= 0) return NONE_ABORTED;
  const aborted: AbortedTransaction[] = [];
  for (; count > 0; count--) {
    aborted.push({ producerId: response.int64(), firstOffset: response.int64() });
    response.skipTags();
  }
  return aborted;
}
