import type { PartitionPlacement } from "@millrace/log";

/** Replicas of a partition as they are and as they shall be; the preferred leader stands first. */
export interface ReplicaMove {
  readonly topic: string;
  readonly partition: number;
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/** Replicas of a partition, as they are being chosen. */
type Chosen = number[];

/**
 * Spreads a topic's replicas over the brokers: as many of each partition as it has, and on each broker
 * as many as on every other, or one more. What may stay where it is stays. Racks are not looked at. The
 * partitions' leaders are spread as far as changing places within a partition does that. Only partitions
 * that change are told.
 */
export function spreadReplicas(
  topic: string,
  partitions: readonly PartitionPlacement[],
  brokers: readonly number[],
): ReplicaMove[] {
  const chosen = partitions.map(({ replicas }) => replicas.filter((one) => brokers.includes(one)));
  for (const [index, { replicas }] of partitions.entries()) {
    const those = chosen[index] ?? [];
    while (those.length < replicas.length) {
      const without = brokers.filter((broker) => !those.includes(broker));
      those.push(least(without, counts(brokers, chosen.flat())));
    }
  }
  while (evenOut(chosen, brokers, { count: heldIn, give: replace }));
  while (evenOut(chosen, brokers, { count: ledIn, give: lead }));
  const moves = partitions.map(({ partition, replicas: from }, index) => {
    return { topic, partition, from, to: chosen[index] ?? [] };
  });
  return moves.filter(({ from, to }) => from.join() !== to.join());
}

/** What is to be even, and how a partition gives one of it from a broker to another. */
interface Evenness {
  readonly count: (chosen: readonly Chosen[]) => number[];
  /** False: this partition can't. */
  readonly give: (replicas: Chosen, from: number, to: number) => boolean;
}

/**
 * One step towards evenness; false when there is none left. A broker that holds two more than another
 * has a partition that the other has not, so replicas end within one of each other.
 */
function evenOut(
  chosen: readonly Chosen[],
  brokers: readonly number[],
  { count, give }: Evenness,
): boolean {
  const totals = counts(brokers, count(chosen));
  const ranked = brokers.toSorted((one, other) => of(totals, other) - of(totals, one));
  for (const from of ranked) {
    const poorer = ranked.toReversed().filter((to) => of(totals, from) - of(totals, to) >= 2);
    if (poorer.some((to) => chosen.some((replicas) => give(replicas, from, to)))) return true;
  }
  return false;
}

function heldIn(chosen: readonly Chosen[]): number[] {
  return chosen.flat();
}

function ledIn(chosen: readonly Chosen[]): number[] {
  return chosen.flatMap(([first]) => (first === undefined ? [] : [first]));
}

function replace(replicas: Chosen, from: number, to: number): boolean {
  const at = replicas.indexOf(from);
  if (at < 0 || replicas.includes(to)) return false;
  replicas[at] = to;
  return true;
}

function lead(replicas: Chosen, from: number, to: number): boolean {
  const at = replicas.indexOf(to);
  if (replicas[0] !== from || at < 0) return false;
  replicas[0] = to;
  replicas[at] = from;
  return true;
}

function counts(brokers: readonly number[], named: readonly number[]): Map<number, number> {
  const totals = new Map(brokers.map((broker) => [broker, 0]));
  for (const broker of named) totals.set(broker, of(totals, broker) + 1);
  return totals;
}

function of(totals: ReadonlyMap<number, number>, broker: number): number {
  return totals.get(broker) ?? 0;
}

function least(brokers: readonly number[], totals: ReadonlyMap<number, number>): number {
  const [first = 0] = brokers.toSorted((one, other) => of(totals, one) - of(totals, other));
  return first;
}
