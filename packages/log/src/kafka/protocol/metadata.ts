import { ByteWriter } from "./byte-writer.ts";
import { API_KEYS, type WireRequest } from "./wire-request.ts";

export const TOPIC_ID_BYTES = 16;

export interface Metadata {
  readonly nodes: readonly ClusterNode[];
  readonly errorCode: number;
  readonly topicId: Buffer;
  readonly partitions: readonly PartitionLeader[];
}

export interface ClusterNode {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

export interface PartitionLeader {
  readonly partition: number;
  /** Below 0 while there is none. */
  readonly leader: number;
}

/** Metadata v12 of one topic, with its id (KIP-516); never creates it. */
export function metadataRequest(topic: string): WireRequest<Metadata> {
  const body = new ByteWriter()
    .noTags()
    .compactCount(1)
    .raw(Buffer.alloc(TOPIC_ID_BYTES))
    .compactString(topic)
    .noTags()
    .int8(0)
    .int8(0)
    .noTags();
  return {
    apiKey: API_KEYS.METADATA,
    apiName: "Metadata",
    apiVersion: 12,
    body: body.finish(),
    read: (response) => {
      response.skipTags();
      response.int32();
      const nodes = response.compactArray(() => {
        const node = {
          id: response.int32(),
          host: response.compactString() ?? "",
          port: response.int32(),
        };
        response.compactString();
        response.skipTags();
        return node;
      });
      response.compactString();
      response.int32();
      const [topicAnswer] = response.compactArray(() => {
        const errorCode = response.int16();
        response.compactString();
        const topicId = response.raw(TOPIC_ID_BYTES);
        response.int8();
        const partitions = response.compactArray(() => {
          response.int16();
          const partition = response.int32();
          const leader = response.int32();
          response.int32();
          for (let lists = 0; lists < 3; lists++) response.compactArray(() => response.int32());
          response.skipTags();
          return { partition, leader };
        });
        response.int32();
        response.skipTags();
        return { errorCode, topicId, partitions };
      });
      if (topicAnswer === undefined) throw new RangeError("no topic in the metadata");
      return { nodes, ...topicAnswer };
    },
  };
}
