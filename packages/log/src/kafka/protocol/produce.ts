import type { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { TOPIC_ID_BYTES } from "./metadata.ts";
import { API_KEYS, type WireRequest } from "./wire-request.ts";

export interface ProduceQuery {
  readonly topic: string;
  readonly topicId: Buffer;
  readonly timeoutMs: number;
  readonly batches: readonly { readonly partition: number; readonly bytes: Buffer }[];
}

export interface ProducedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset: bigint;
  /** −1 where the topic keeps the producer's time. */
  readonly appendTimeMs: number;
}

/** The first version that names the topic by its id (KIP-516). */
const PRODUCE_BY_TOPIC_ID = 13;
const PRODUCE_BY_NAME = 12;
const ACKS_ALL = -1;

/** Produce with acks=all; by topic id where the broker can, so that no topic is mistaken. */
export function produceRequest(
  query: ProduceQuery,
  versionMax: number,
): WireRequest<readonly ProducedPartition[]> {
  const isById = versionMax >= PRODUCE_BY_TOPIC_ID;
  const bytes = query.batches.reduce((sum, batch) => sum + batch.bytes.length + 16, 128);
  const body = new ByteWriter(bytes).noTags().compactString(null);
  body.int16(ACKS_ALL).int32(query.timeoutMs).compactCount(1);
  if (isById) body.raw(query.topicId);
  else body.compactString(query.topic);
  body.compactCount(query.batches.length);
  for (const batch of query.batches) {
    body.int32(batch.partition).compactBytes(batch.bytes).noTags();
  }
  body.noTags().noTags();
  return {
    apiKey: API_KEYS.PRODUCE,
    apiName: "Produce",
    apiVersion: isById ? PRODUCE_BY_TOPIC_ID : PRODUCE_BY_NAME,
    body: body.finish(),
    read: (response) => readAnswer(response, isById),
  };
}

function readAnswer(response: ByteReader, isById: boolean): ProducedPartition[] {
  response.skipTags();
  const topics = response.compactArray(() => {
    if (isById) response.skip(TOPIC_ID_BYTES);
    else response.compactString();
    const partitions = response.compactArray(() => readPartition(response));
    response.skipTags();
    return partitions;
  });
  return topics.flat();
}

function readPartition(response: ByteReader): ProducedPartition {
  const produced = {
    partition: response.int32(),
    errorCode: response.int16(),
    baseOffset: response.int64(),
    appendTimeMs: Number(response.int64()),
  };
  response.int64();
  response.compactArray(() => {
    response.int32();
    response.compactString();
    response.skipTags();
  });
  response.compactString();
  response.skipTags();
  return produced;
}
