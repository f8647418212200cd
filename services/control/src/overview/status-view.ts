import type { KafkaView, SilenceView, StatusView } from "../api/views.ts";
import { edgeViews } from "./edge-views.ts";
import type { Overview } from "./overview.ts";
import { partitionViews } from "./partition-views.ts";
import { problemsIn } from "./problems.ts";

/** The whole, in one look. */
export function statusView(overview: Overview): StatusView {
  const edges = edgeViews(overview);
  const partitions = partitionViews(overview);
  const { cluster, takenAtMs, topic } = overview;
  const sum = (of: (edge: (typeof edges)[number]) => number): number =>
    edges.reduce((total, edge) => total + of(edge), 0);
  const kafka = kafkaView(overview);
  return {
    takenAtMs,
    topic,
    delivery: deliveryOf(edges.map(({ delivery }) => delivery)),
    edges,
    ...silenceView(overview),
    kafka,
    group: { state: cluster.group.state, members: cluster.group.members.length },
    totals: {
      connections: sum(({ connections }) => connections),
      subscriptions: sum(({ subscriptions }) => subscriptions),
      publishesPerSec: sum(({ publishesPerSec }) => publishesPerSec),
      deliveriesPerSec: sum(({ deliveriesPerSec }) => deliveriesPerSec),
      partitions: partitions.length,
    },
    problems: problemsIn(overview, { edges, partitions, kafka }),
  };
}

export function silenceView({ edges: { unreachable, unasked } }: Overview): SilenceView {
  return { unreachable, unasked };
}

function kafkaView({ cluster }: Overview): KafkaView {
  const short = cluster.partitions.filter(
    ({ replicas, inSync }) => inSync.length < replicas.length,
  );
  return { isUp: cluster.isUp, brokers: cluster.brokers.length, underReplicated: short.length };
}

function deliveryOf(deliveries: readonly ("direct" | "relay")[]): StatusView["delivery"] {
  const [first = "direct", ...rest] = deliveries;
  return rest.every((one) => one === first) ? first : "mixed";
}
