import type { EdgeView } from "../api/views.ts";
import type { SeenEdge } from "../edges/edge-directory.ts";
import type { Overview } from "./overview.ts";
import { ownersIn } from "./owners.ts";

export function edgeViews(overview: Overview): EdgeView[] {
  const owners = ownersIn(overview);
  return overview.edges.edges.map((edge) => {
    const owned = [...owners].filter(([, owner]) => owner === edge.report.id);
    return edgeView(
      edge,
      owned.map(([partition]) => partition),
    );
  });
}

function edgeView({ address, report }: SeenEdge, owned: readonly number[]): EdgeView {
  const { rates, publishLatency, deliveryLatency } = report;
  return {
    id: report.id,
    pid: report.pid,
    address,
    state: report.state,
    isReady: report.isReady,
    version: report.version,
    delivery: report.delivery,
    startedAtMs: report.startedAtMs,
    weight: report.weight,
    connections: report.connections,
    connectionsMax: report.connectionsMax,
    subscriptions: report.subscriptions,
    owned,
    lagging: report.lagging,
    bufferedBytes: report.bufferedBytes,
    memoryShare: report.memoryShare,
    isRedisUp: report.isRedisUp,
    publishesPerSec: rates.publishesPerSec,
    deliveriesPerSec: rates.deliveriesPerSec,
    publishLatency,
    deliveryLatency,
  };
}
