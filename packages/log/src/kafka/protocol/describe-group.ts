import { ByteWriter } from "./byte-writer.ts";
import type { ClusterNode } from "./metadata.ts";
import { API_KEYS, type WireRequest } from "./wire-request.ts";

export interface CoordinatorAnswer extends ClusterNode {
  readonly errorCode: number;
}

export interface GroupDescription {
  readonly errorCode: number;
  readonly state: string;
  readonly members: readonly {
    readonly host: string;
    readonly metadata: Buffer;
    readonly assignment: Buffer;
  }[];
}

const KEY_OF_GROUP = 0;

/** FindCoordinator v1: which broker keeps the group. */
export function findCoordinatorRequest(groupId: string): WireRequest<CoordinatorAnswer> {
  return {
    apiKey: API_KEYS.FIND_COORDINATOR,
    apiName: "FindCoordinator",
    apiVersion: 1,
    body: new ByteWriter().string(groupId).int8(KEY_OF_GROUP).finish(),
    read: (response) => {
      response.int32();
      const errorCode = response.int16();
      response.string();
      const id = response.int32();
      return { errorCode, id, host: response.string() ?? "", port: response.int32() };
    },
  };
}

/** DescribeGroups v1 of one group, which its coordinator alone knows. */
export function describeGroupRequest(groupId: string): WireRequest<GroupDescription> {
  return {
    apiKey: API_KEYS.DESCRIBE_GROUPS,
    apiName: "DescribeGroups",
    apiVersion: 1,
    body: new ByteWriter().int32(1).string(groupId).finish(),
    read: (response) => {
      response.int32();
      const [group] = response.array(() => {
        const errorCode = response.int16();
        response.string();
        const state = response.string() ?? "";
        response.string();
        response.string();
        const members = response.array(() => {
          response.string();
          response.string();
          const host = response.string() ?? "";
          const bytes = (): Buffer => Buffer.from(response.raw(Math.max(0, response.int32())));
          return { host, metadata: bytes(), assignment: bytes() };
        });
        return { errorCode, state, members };
      });
      if (group === undefined) throw new RangeError("no group in the description");
      return group;
    },
  };
}
