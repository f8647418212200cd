import type { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { API_KEYS, NULL_ARRAY, type WireRequest } from "./wire-request.ts";

export const TOPIC_ID_BYTES = 16;

export interface Metadata extends TopicMetadata {
  readonly nodes: readonly ClusterNode[];
}

/** Of several topics, in no order. */
export interface TopicsMetadata {
  readonly nodes: readonly ClusterNode[];
  readonly topics: readonly TopicMetadata[];
}

export interface ClusterNode {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

export interface TopicMetadata {
  readonly name: string;
  readonly errorCode: number;
  readonly topicId: Buffer;
  readonly partitions: readonly PartitionPlacement[];
}

export interface PartitionPlacement {
  readonly partition: number;
  /** Below 0 while there is none. */
  readonly leader: number;
  /** The preferred leader stands first. */
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

/** Metadata v12 of one topic, with its id (KIP-516); never creates it. */
export function metadataRequest(topic: string): WireRequest<Metadata> {
  const { read, ...request } = topicsMetadataRequest([topic]);
  return {
    ...request,
    read: (response) => {
      const { nodes, topics } = read(response);
      const [answer] = topics;
      if (answer === undefined) throw new RangeError("no topic in the metadata");
      return { nodes, ...answer };
    },
  };
}

/**
 * The same of several, or of all that may be described; one that is named and not there comes with an
 * error code of its own.
 */
export function topicsMetadataRequest(
  topics: readonly string[] | "all",
): WireRequest<TopicsMetadata> {
  const body = new ByteWriter().noTags();
  if (topics === "all") body.uvarint(NULL_ARRAY);
  else {
    body.compactCount(topics.length);
    for (const topic of topics) {
      body.raw(Buffer.alloc(TOPIC_ID_BYTES)).compactString(topic).noTags();
    }
  }
  return {
    apiKey: API_KEYS.METADATA,
    apiName: "Metadata",
    apiVersion: 12,
    body: body.int8(0).int8(0).noTags().finish(),
    read: (response) => {
      response.skipTags();
      response.int32();
      const nodes = response.compactArray(() => nodeIn(response));
      response.compactString();
      response.int32();
      return { nodes, topics: response.compactArray(() => topicIn(response)) };
    },
  };
}

function nodeIn(response: ByteReader): ClusterNode {
  const id = response.int32();
  const host = response.compactString() ?? "";
  const port = response.int32();
  response.compactString();
  response.skipTags();
  return { id, host, port };
}

function topicIn(response: ByteReader): TopicMetadata {
  const errorCode = response.int16();
  const name = response.compactString() ?? "";
  const topicId = response.raw(TOPIC_ID_BYTES);
  response.int8();
  const partitions = response.compactArray(() => placementIn(response));
  response.int32();
  response.skipTags();
  return { name, errorCode, topicId, partitions };
}

function placementIn(response: ByteReader): PartitionPlacement {
  response.int16();
  const partition = response.int32();
  const leader = response.int32();
  response.int32();
  const [replicas = [], inSync = []] = [0, 1, 2].map(() =>
    response.compactArray(() => response.int32()),
  );
  response.skipTags();
  return { partition, leader, replicas, inSync };
}
