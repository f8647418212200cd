import type { Overview } from "./overview.ts";

/**
 * Who owns which partition. The group's coordinator knows best; while it distributes anew, or can't
 * be asked, the edges' own words count: each keeps what it had until it hears otherwise.
 */
export function ownersIn({ cluster, edges }: Overview): Map<number, string> {
  const owners = new Map<number, string>();
  for (const { report } of edges.edges) {
    for (const { partition, isOwned } of report.partitions) {
      if (isOwned) owners.set(partition, report.id);
    }
  }
  if (cluster.group.state !== "Stable") return sorted(owners);
  owners.clear();
  for (const { words, host, partitions } of cluster.group.members) {
    for (const partition of partitions)
      owners.set(partition, words?.edge ?? `a stranger at ${host}`);
  }
  return sorted(owners);
}

/** So many partitions are used; more may stand in the topic. */
export function partitionCount({ cluster, edges }: Overview): number {
  const used = edges.edges.map(({ report }) => report.topic.partitions).filter((n) => n > 0);
  return used.length > 0 ? Math.max(...used) : cluster.partitions.length;
}

function sorted(owners: Map<number, string>): Map<number, string> {
  return new Map([...owners].toSorted(([one], [other]) => one - other));
}
