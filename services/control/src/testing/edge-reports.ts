import type { EdgeReport, PartitionReport } from "@millrace/schemas";
import type { EdgesLook } from "../edges/edge-directory.ts";
import type { Overview } from "../overview/overview.ts";

/** An edge that is well, but for what is said otherwise. */
export function edgeReport(id: string, fields: Partial<EdgeReport> = {}): EdgeReport {
  return {
    id,
    pid: 4_711,
    version: "0.1.0",
    state: "serving",
    isReady: true,
    delivery: "direct",
    startedAtMs: 1_700_000_000_000,
    weight: 1,
    connections: 0,
    connectionsMax: 1_000,
    subscriptions: 0,
    lagging: 0,
    catchUps: 0,
    bufferedBytes: 0,
    memoryShare: 0.1,
    isRedisUp: true,
    logSilenceMs: 0,
    rulingsSilenceMs: 0,
    rates: { publishesPerSec: 0, deliveriesPerSec: 0, handshakesPerSec: 0 },
    publishLatency: null,
    deliveryLatency: null,
    topic: { name: "chat.messages", epoch: "e", partitions: 4 },
    partitions: [0, 1, 2, 3].map((partition) => partitionReport(partition)),
    ...fields,
  };
}

export function partitionReport(
  partition: number,
  fields: Partial<PartitionReport> = {},
): PartitionReport {
  return {
    partition,
    isOwned: false,
    isPaused: false,
    mode: "direct",
    position: "10",
    end: "10",
    lag: 0,
    lagMs: 0,
    stalledMs: 0,
    silenceMs: 0,
    recordsPerSec: 0,
    subscribers: 0,
    hottest: [],
    ...fields,
  };
}

/** Two edges that share four partitions; everything is well, but for what is said otherwise. */
export function overviewFrom(
  fields: {
    readonly edges?: readonly EdgeReport[];
    readonly look?: Partial<EdgesLook>;
    readonly cluster?: Partial<Overview["cluster"]>;
    readonly topics?: Overview["topics"];
  } = {},
): Overview {
  const { edges = [edgeReport("edge-1"), edgeReport("edge-2")], look, cluster, topics } = fields;
  const placement = { leader: 1, replicas: [1, 2, 3], inSync: [1, 2, 3] };
  return {
    takenAtMs: 1_764_000_000_000,
    topic: "chat.messages",
    edges: {
      takenAtMs: 1_764_000_000_000,
      edges: edges.map((report) => ({ address: `${report.id}:9470`, report })),
      unreachable: [],
      unasked: 0,
      orders: { pins: [], weights: [], pauses: [] },
      ...look,
    },
    cluster: {
      isUp: true,
      why: "",
      brokers: [1, 2, 3],
      partitions: [0, 1, 2, 3].map((partition) => ({ partition, ...placement })),
      group: groupOf({ "edge-1": [0, 1], "edge-2": [2, 3] }),
      ...cluster,
    },
    topics: topics ?? [],
  };
}

/** As the coordinator tells it, each member with the weight 1. */
export function groupOf(
  shares: Readonly<Record<string, readonly number[]>>,
): Overview["cluster"]["group"] {
  return {
    state: "Stable",
    members: Object.entries(shares).map(([edge, partitions]) => ({
      host: "127.0.0.1",
      partitions,
      words: {
        edge,
        address: `${edge}:9470`,
        weight: 1,
        isDraining: false,
        owned: partitions,
        givenMs: 1,
      },
    })),
  };
}
