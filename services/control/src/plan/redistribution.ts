import { type Candidate, assignPartitions } from "@millrace/log";
import type { PlanView } from "../api/views.ts";
import { ownersIn, partitionCount } from "../overview/owners.ts";
import type { Overview } from "../overview/overview.ts";

/** What is changed before the partitions are distributed anew. */
export interface Change {
  readonly pin?: { readonly partition: number; readonly edge: string };
  readonly unpin?: number;
  readonly weight?: { readonly edge: string; readonly weight: number };
  readonly draining?: { readonly edge: string; readonly isDraining: boolean };
}

/**
 * Which partitions would change hands: computed with the same function, from the same words, as the
 * member of the group that will do it. Nothing where the group is not known.
 */
export function movesOf(overview: Overview, change: Change): PlanView["moves"] {
  // While it is distributed, its members have not said yet who they are.
  if (!isGroupKnown(overview)) return [];
  const candidates = candidatesIn(overview, change);
  const partitions = partitionCount(overview);
  const pins = pinsOf(overview, change);
  const owners = ownersIn(overview);
  const moves: PlanView["moves"][number][] = [];
  for (const [edge, share] of assignPartitions({ candidates, partitions, pins })) {
    for (const partition of share) {
      const from = owners.get(partition) ?? null;
      if (from !== edge) moves.push({ partition, from, to: edge });
    }
  }
  return moves.toSorted((one, other) => one.partition - other.partition);
}

/** Whether what would move can be foretold. */
export function isGroupKnown({ cluster }: Overview): boolean {
  return cluster.group.state === "Stable" && cluster.group.members.length > 0;
}

function candidatesIn({ cluster }: Overview, { weight, draining }: Change): Candidate[] {
  return cluster.group.members.map(({ words, host, partitions }) => {
    // What it will say of itself when it joins again: it owns what it was given last.
    const { edge, ...said } = words ?? { edge: `a stranger at ${host}`, weight: 1, givenMs: 0 };
    const candidate = { isDraining: false, ...said, edge, owned: partitions };
    return {
      ...candidate,
      ...(weight?.edge === edge && { weight: weight.weight }),
      ...(draining?.edge === edge && { isDraining: draining.isDraining }),
    };
  });
}

function pinsOf({ edges }: Overview, { pin, unpin }: Change): Map<number, string> {
  const pins = new Map(edges.orders?.pins.map(({ partition, edge }) => [partition, edge]));
  if (pin !== undefined) pins.set(pin.partition, pin.edge);
  if (unpin !== undefined) pins.delete(unpin);
  return pins;
}
