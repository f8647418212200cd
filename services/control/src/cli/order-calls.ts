import type { ControlCall } from "./control-calls.ts";

/** What operators may order, as calls of the API. */
export const ORDER_CALLS = {
  move: (partition: number, edge: string): ControlCall => ({
    method: "POST",
    path: "/v1/moves",
    body: { partition, edge },
  }),
  pin: (partition: number, edge: string): ControlCall => ({
    method: "PUT",
    path: `/v1/pins/${partition}`,
    body: { edge },
  }),
  unpin: (partition: number): ControlCall => ({ method: "DELETE", path: `/v1/pins/${partition}` }),
  weight: (edge: string, weight: number): ControlCall => ({
    method: "PUT",
    path: `/v1/weights/${encodeURIComponent(edge)}`,
    body: { weight },
  }),
  clearWeight: (edge: string): ControlCall => ({
    method: "DELETE",
    path: `/v1/weights/${encodeURIComponent(edge)}`,
  }),
  rebalance: (): ControlCall => ({ method: "POST", path: "/v1/rebalance" }),
  drain: (edge: string, then: "stay" | "end"): ControlCall => ({
    method: "PUT",
    path: `/v1/drains/${encodeURIComponent(edge)}`,
    // oxlint-disable-next-line unicorn/no-thenable -- the API's word; a text is no method.
    body: { then },
  }),
  undrain: (edge: string): ControlCall => ({
    method: "DELETE",
    path: `/v1/drains/${encodeURIComponent(edge)}`,
  }),
  pause: (partition: number): ControlCall => ({ method: "PUT", path: `/v1/pauses/${partition}` }),
  resume: (partition: number): ControlCall => ({
    method: "DELETE",
    path: `/v1/pauses/${partition}`,
  }),
  reassign: (body: {
    readonly brokers: readonly number[];
    readonly topics?: readonly string[];
    readonly throttleBytesPerSec?: number;
  }): ControlCall => ({ method: "POST", path: "/v1/reassignments", body }),
  cancelReassignment: (topics?: readonly string[]): ControlCall => ({
    method: "DELETE",
    path: "/v1/reassignments",
    ...(topics !== undefined && { body: { topics } }),
  }),
} as const;
