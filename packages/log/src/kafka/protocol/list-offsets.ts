import { ByteWriter } from "./byte-writer.ts";
import { API_KEYS, NO_LEADER_EPOCH, NO_REPLICA, READ_COMMITTED } from "./wire-request.ts";
import type { WireRequest } from "./wire-request.ts";

export interface ListedOffset {
  readonly errorCode: number;
  /** −1 where no record is at or after the time. */
  readonly offset: bigint;
}

/** In the place of a time: the first offset, and the end for a reader of committed records. */
export const EARLIEST = -2n;
export const LATEST = -1n;

/** ListOffsets v5 of one partition: the first offset at or after a time in ms since 1970. */
export function listOffsetsRequest(query: {
  readonly topic: string;
  readonly partition: number;
  readonly time: bigint;
}): WireRequest<ListedOffset> {
  const body = new ByteWriter()
    .int32(NO_REPLICA)
    .int8(READ_COMMITTED)
    .int32(1)
    .string(query.topic)
    .int32(1)
    .int32(query.partition)
    .int32(NO_LEADER_EPOCH)
    .int64(query.time);
  return {
    apiKey: API_KEYS.LIST_OFFSETS,
    apiName: "ListOffsets",
    apiVersion: 5,
    body: body.finish(),
    read: (response) => {
      response.int32();
      const topics = response.array(() => {
        response.string();
        return response.array(() => {
          response.int32();
          const errorCode = response.int16();
          response.int64();
          const offset = response.int64();
          response.int32();
          return { errorCode, offset };
        });
      });
      const [listed] = topics.flat();
      if (listed === undefined) throw new RangeError("no partition in the listed offsets");
      return listed;
    },
  };
}
