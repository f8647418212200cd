import type { EdgeView, PartitionView, PlanView, StatusView } from "../../api/views.ts";

/** A fleet of three, as control would tell of it. */
export function edgeView(own: Partial<EdgeView> = {}): EdgeView {
  return {
    id: "edge-1",
    pid: 101,
    address: "127.0.0.1:9470",
    state: "serving",
    isReady: true,
    version: "0.1.0",
    delivery: "direct",
    startedAtMs: 0,
    weight: 1,
    connections: 1234,
    connectionsMax: 10_000,
    subscriptions: 2500,
    owned: [0, 1, 2, 3],
    lagging: 0,
    bufferedBytes: 0,
    memoryShare: 0.42,
    isRedisUp: true,
    publishesPerSec: 3.2,
    deliveriesPerSec: 1041,
    publishLatency: { p50Ms: 2, p99Ms: 9 },
    deliveryLatency: { p50Ms: 3, p99Ms: 11.6 },
    ...own,
  };
}

export const EDGES: readonly EdgeView[] = [
  edgeView(),
  edgeView({
    id: "edge-2",
    pid: 102,
    state: "draining",
    isReady: false,
    connections: 7,
    owned: [],
  }),
  edgeView({
    id: "edge-3",
    pid: 103,
    isRedisUp: false,
    lagging: 2,
    bufferedBytes: 70_000,
    deliveryLatency: null,
  }),
];

export function partitionView(own: Partial<PartitionView> = {}): PartitionView {
  return {
    partition: 0,
    owner: "edge-1",
    pin: null,
    isPaused: false,
    lag: 0,
    lagMs: 0,
    end: "4711",
    recordsPerSec: 3.14,
    subscribers: 12,
    stalledOn: [],
    hottest: [{ conversation: "room:42", recordsPerSec: 2.06, subscribers: 8 }],
    leader: 1,
    replicas: [1, 2, 3],
    inSync: [1, 2, 3],
    ...own,
  };
}

export const STATUS: StatusView = {
  takenAtMs: 0,
  topic: "chat.messages",
  delivery: "direct",
  edges: EDGES,
  unreachable: [{ address: "127.0.0.1:9473", why: "connection refused" }],
  unasked: 0,
  kafka: { isUp: true, brokers: 3, underReplicated: 1 },
  group: { state: "Stable", members: 3 },
  totals: {
    connections: 2475,
    subscriptions: 7500,
    publishesPerSec: 9.6,
    deliveriesPerSec: 3123,
    partitions: 12,
  },
  problems: [
    {
      severity: "critical",
      what: "edge-3 has no Redis",
      advice: "Look at its log, and at Redis.",
    },
  ],
};

export function planView(own: Partial<PlanView> = {}): PlanView {
  return {
    action: "drain edge-2",
    effects: ["edge-2 takes no new clients", "its 7 clients are told to go"],
    moves: [{ partition: 4, from: "edge-2", to: "edge-1" }],
    isForetold: true,
    reconnects: 7,
    isDangerous: true,
    ...own,
  };
}
