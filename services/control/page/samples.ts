import type { EdgeView, StatusView } from "../src/api/views.ts";

/** What the page keeps of each look, for its lines. */
export interface Sample {
  readonly atMs: number;
  readonly connections: number;
  readonly publishesPerSec: number;
  readonly deliveriesPerSec: number;
  readonly publishP99Ms: number | null;
  readonly deliveryP99Ms: number | null;
}

/** Five minutes of looks, one a second. */
export const SAMPLES_MAX = 300;

export function sampleOf(status: StatusView): Sample {
  const { totals, edges, takenAtMs } = status;
  return {
    atMs: takenAtMs,
    connections: totals.connections,
    publishesPerSec: totals.publishesPerSec,
    deliveriesPerSec: totals.deliveriesPerSec,
    publishP99Ms: slowest(edges, (edge) => edge.publishLatency?.p99Ms),
    deliveryP99Ms: slowest(edges, (edge) => edge.deliveryLatency?.p99Ms),
  };
}

export function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  return [...samples, sample].slice(-SAMPLES_MAX);
}

/** Quantiles of several edges can't be added: the slowest edge's is shown. */
function slowest(
  edges: readonly EdgeView[],
  p99Of: (edge: EdgeView) => number | undefined,
): number | null {
  const known = edges.map(p99Of).filter((value) => value !== undefined);
  return known.length === 0 ? null : Math.max(...known);
}
