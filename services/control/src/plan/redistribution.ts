import { type Candidate, assignPartitions } from "@millrace/log";
import type { PlanView } from "../api/views.ts";
import { changesOfHands, ownersIn, partitionCount } from "../overview/owners.ts";
import type { Overview } from "../overview/overview.ts";

/** What is changed before the partitions are distributed anew. */
export interface Change {
  readonly pin?: { readonly partition: number; readonly edge: string };
  readonly unpin?: number;
  readonly weight?: { readonly edge: string; readonly weight: number };
  /** An edge that is no member of the group afterwards, as a drained one. */
  readonly leaving?: string;
  /** An edge that becomes a member, if it is none yet. */
  readonly joining?: { readonly edge: string; readonly weight: number };
}

/** What is known of the moves that a change leads to. */
export type Forecast = Pick<PlanView, "moves" | "isForetold">;

/**
 * Which partitions would change hands: computed with the same function, from the same words, as the
 * member of the group that will do it. Nothing is foretold where the group is not known.
 */
export function forecast(overview: Overview, change: Change): Forecast {
  // While it is distributed, its members have not said yet who they are.
  if (!isGroupKnown(overview)) return { moves: [], isForetold: false };
  const candidates = candidatesIn(overview, change);
  const partitions = partitionCount(overview);
  const pins = pinsOf(overview, change);
  const owners = new Map<number, string>();
  for (const [edge, share] of assignPartitions({ candidates, partitions, pins })) {
    for (const partition of share) owners.set(partition, edge);
  }
  return { moves: changesOfHands(ownersIn(overview), owners), isForetold: true };
}

function isGroupKnown({ cluster }: Overview): boolean {
  return cluster.group.state === "Stable" && cluster.group.members.length > 0;
}

function candidatesIn({ cluster }: Overview, { weight, leaving, joining }: Change): Candidate[] {
  const members = cluster.group.members.map(({ words, host, partitions }) => {
    // What it will say of itself when it joins again: it owns what it was given last.
    const { edge, ...said } = words ?? { edge: `a stranger at ${host}`, weight: 1, givenMs: 0 };
    const candidate = { isDraining: false, ...said, edge, owned: partitions };
    return { ...candidate, ...(weight?.edge === edge && { weight: weight.weight }) };
  });
  const staying = members.filter(({ edge }) => edge !== leaving);
  if (joining === undefined || staying.some(({ edge }) => edge === joining.edge)) return staying;
  // What it owned before it left was given to others since.
  return [...staying, { ...joining, isDraining: false, owned: [], givenMs: 0 }];
}

function pinsOf({ edges }: Overview, { pin, unpin }: Change): Map<number, string> {
  const pins = new Map(edges.orders?.pins.map(({ partition, edge }) => [partition, edge]));
  if (pin !== undefined) pins.set(pin.partition, pin.edge);
  if (unpin !== undefined) pins.delete(unpin);
  return pins;
}
