import type { PartitionPlacement } from "@millrace/log";

/** Replicas of a partition as they are and as they shall be; the preferred leader stands first. */
export interface ReplicaMove {
  readonly topic: string;
  readonly partition: number;
  readonly from: readonly number[];
  readonly to: readonly number[];
}

interface Load {
  readonly quota: ReadonlyMap<number, number>;
  readonly held: Map<number, number>;
  readonly led: Map<number, number>;
}

/**
 * Spreads a topic's replicas over the brokers: as many of each partition as it has, each broker within
 * one of every other, and so with the partitions that it leads first. What may stay where it is stays.
 * Racks are not looked at. Only partitions that change are told.
 */
export function spreadReplicas(
  topic: string,
  partitions: readonly PartitionPlacement[],
  brokers: readonly number[],
): ReplicaMove[] {
  const load = loadOf(partitions, brokers);
  const kept = new Map<number, number[]>();
  for (const { partition, replicas } of partitions) {
    kept.set(
      partition,
      replicas.filter((broker) => take(load, broker)),
    );
  }
  const moves = partitions.map(({ partition, replicas }) => {
    const chosen = kept.get(partition) ?? [];
    while (chosen.length < replicas.length) chosen.push(leastLoaded(load, brokers, chosen));
    return { topic, partition, from: replicas, to: ledInTurn(load, chosen, partitions.length) };
  });
  return moves.filter(({ from, to }) => from.join() !== to.join());
}

/** The remainder goes to whoever holds most already. */
function loadOf(partitions: readonly PartitionPlacement[], brokers: readonly number[]): Load {
  const total = partitions.reduce((sum, { replicas }) => sum + replicas.length, 0);
  const present = new Map(brokers.map((broker) => [broker, 0]));
  for (const broker of partitions.flatMap(({ replicas }) => replicas)) {
    const count = present.get(broker);
    if (count !== undefined) present.set(broker, count + 1);
  }
  const least = Math.floor(total / brokers.length);
  const remainder = total % brokers.length;
  const ranked = [...present].toSorted(([, one], [, other]) => other - one);
  const quota = ranked.map(
    ([broker], rank) => [broker, least + (rank < remainder ? 1 : 0)] as const,
  );
  return {
    quota: new Map(quota),
    held: new Map(brokers.map((broker) => [broker, 0])),
    led: new Map(brokers.map((broker) => [broker, 0])),
  };
}

/** Whether that broker may keep a replica; then it counts. */
function take({ quota, held }: Load, broker: number): boolean {
  const count = held.get(broker);
  if (count === undefined || count >= (quota.get(broker) ?? 0)) return false;
  held.set(broker, count + 1);
  return true;
}

/** Beyond its quota only where each broker with room has a replica of that partition already. */
function leastLoaded({ quota, held }: Load, brokers: readonly number[], taken: readonly number[]) {
  const room = (broker: number): number => (quota.get(broker) ?? 0) - (held.get(broker) ?? 0);
  const [best = 0] = brokers
    .filter((broker) => !taken.includes(broker))
    .toSorted((one, other) => room(other) - room(one) || one - other);
  held.set(best, (held.get(best) ?? 0) + 1);
  return best;
}

/** The first stays first unless it would lead more than its share. */
function ledInTurn(
  { led, quota }: Load,
  replicas: readonly number[],
  partitions: number,
): number[] {
  const share = Math.ceil(partitions / quota.size);
  const ledBy = (broker: number): number => led.get(broker) ?? 0;
  const [first = 0] = replicas;
  const [idlest = first] = replicas.toSorted((one, other) => ledBy(one) - ledBy(other));
  const leader = ledBy(first) < share ? first : idlest;
  led.set(leader, ledBy(leader) + 1);
  return [leader, ...replicas.filter((broker) => broker !== leader)];
}
