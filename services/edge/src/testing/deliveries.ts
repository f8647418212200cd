import { waitFor } from "@millrace/testkit";
import { DELIVERIES, type Delivery } from "../config.ts";
import { metricOf } from "./metric-of.ts";

export { DELIVERIES, type Delivery };

interface MeasuredPlace {
  readonly metrics: string;
}

/** So many edges that of any partition one at least is not the owner, where there are owners. */
const EDGES_FOR: Readonly<Record<Delivery, number>> = { direct: 1, relay: 2 };

const RELAYED = 'millrace_delivery_mode{mode="relay"}';
const PATIENCE_MS = 90_000;

/** The option that chooses it. */
export function deliveredBy(delivery: Delivery): Record<string, string> {
  return { EDGE_DELIVERY: delivery };
}

/** As many edges as it takes that somebody is not the owner of what is read, one after the other. */
export async function edgesFor<Edge>(
  delivery: Delivery,
  start: (name: string, env: Record<string, string>) => Promise<Edge>,
): Promise<Edge[]> {
  const edges: Edge[] = [];
  while (edges.length < EDGES_FOR[delivery]) {
    edges.push(await start(`edge-${edges.length + 1}`, deliveredBy(delivery)));
  }
  return edges;
}

/** How many partitions an edge gets by the relay alone, of those that its clients want. */
export function relayedOn(edge: MeasuredPlace): Promise<number> {
  return metricOf(edge, RELAYED);
}

/** Where there are several, some of what their clients want comes by the relay alone. */
export async function whenSomeRelayed(edges: readonly MeasuredPlace[]): Promise<void> {
  if (edges.length === 1) return;
  const areRelayed = async (): Promise<boolean> =>
    (await Promise.all(edges.map((edge) => relayedOn(edge)))).some((count) => count > 0);
  await waitFor(areRelayed, { what: "one edge is relayed to", timeoutMs: PATIENCE_MS });
}
