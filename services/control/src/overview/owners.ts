import type { PlanView } from "../api/views.ts";
import type { Overview } from "./overview.ts";

/** Which edge owns which partition. */
export type Owners = ReadonlyMap<number, string>;

/**
 * Who owns which partition. The group's coordinator knows best; while it distributes anew, or can't
 * be asked, the edges' own words count: each keeps what it had until it hears otherwise.
 */
export function ownersIn({ cluster, edges }: Overview): Owners {
  if (cluster.group.state === "Stable") return ownersOf(cluster.group);
  const owners = new Map<number, string>();
  for (const { report } of edges.edges) {
    for (const { partition, isOwned } of report.partitions) {
      if (isOwned) owners.set(partition, report.id);
    }
  }
  return sorted(owners);
}

/** As the group has shared them out last. */
export function ownersOf({ members }: Overview["cluster"]["group"]): Owners {
  const owners = new Map<number, string>();
  for (const { words, host, partitions } of members) {
    for (const partition of partitions)
      owners.set(partition, words?.edge ?? `a stranger at ${host}`);
  }
  return sorted(owners);
}

/** What has another owner, by the partitions' numbers. */
export function changesOfHands(before: Owners, after: Owners): PlanView["moves"] {
  return [...sorted(new Map([...before, ...after]))].flatMap(([partition]) => {
    const from = before.get(partition) ?? null;
    const to = after.get(partition) ?? null;
    return from === to ? [] : [{ partition, from, to }];
  });
}

/** So many partitions are used; more may stand in the topic. */
export function partitionCount({ cluster, edges }: Overview): number {
  const used = edges.edges.map(({ report }) => report.topic.partitions).filter((n) => n > 0);
  return used.length > 0 ? Math.max(...used) : cluster.partitions.length;
}

function sorted(owners: Owners): Owners {
  return new Map([...owners].toSorted(([one], [other]) => one - other));
}
