/** A member of the group, as the one that distributes sees it. */
export interface Candidate {
  readonly edge: string;
  readonly weight: number;
  readonly isDraining: boolean;
  /**
   * What it owned last, and when that was given to it, by its wall clock: of two claims the newer
   * one counts, since the other is of somebody who was away in between.
   */
  readonly owned: readonly number[];
  readonly givenMs: number;
}

export interface AssignmentRequest {
  readonly candidates: readonly Candidate[];
  readonly partitions: number;
  /** Partitions that operators have tied to an edge; ignored while that edge is not there. */
  readonly pins: ReadonlyMap<number, string>;
}

/** So that members of weight 0, where there are no others, share evenly. */
const WEIGHT_MIN = 1e-6;

interface Share {
  readonly candidate: Candidate;
  readonly kept: readonly number[];
  readonly taken: number[];
  quota: number;
}

/**
 * Distributes the partitions over the members: by weight, pins first, and with as few moves as that
 * allows. A function of its arguments alone, whatever their order, so that it does not matter which
 * member computes it.
 *
 * Shares are given one by one to whom has least per weight (the method of D'Hondt); of two with
 * equally little, the one that would otherwise have to give something away. Each then keeps what it
 * has up to its share, and the rest fills the shares up. An edge that is asked for twice (it
 * restarted faster than its old membership ended) counts as the newer of the two.
 */
export function assignPartitions(request: AssignmentRequest): Map<string, number[]> {
  const { partitions } = request;
  const candidates = eligible(request.candidates);
  const edges = new Set(candidates.map(({ edge }) => edge));
  const pins = new Map([...request.pins].filter(([, edge]) => edges.has(edge)));
  const shares = sharesOf(candidates, { partitions, pins });
  const free = new Set(Array.from({ length: partitions }, (_, partition) => partition));
  for (const [partition, edge] of pins) {
    const share = shares.find(({ candidate }) => candidate.edge === edge);
    if (share !== undefined && free.delete(partition)) share.taken.push(partition);
  }
  giveQuotas(shares, free.size);
  for (const { kept, taken, quota } of shares) {
    for (const partition of kept) {
      if (taken.length < quota && free.delete(partition)) taken.push(partition);
    }
  }
  const rest = [...free];
  for (const { taken, quota } of shares) taken.push(...rest.splice(0, quota - taken.length));
  return new Map(shares.map(({ candidate, taken }) => [candidate.edge, taken.toSorted(byNumber)]));
}

/** Whoever was given something last has it; of two at the same time, the first. */
function claim<Key>(claims: Map<Key, Candidate>, key: Key, candidate: Candidate): void {
  const other = claims.get(key);
  if (other === undefined || candidate.givenMs > other.givenMs) claims.set(key, candidate);
}

/** Without anybody better, one that is draining still serves. */
function eligible(candidates: readonly Candidate[]): Candidate[] {
  const newest = new Map<string, Candidate>();
  for (const candidate of candidates) claim(newest, candidate.edge, candidate);
  const all = [...newest.values()].toSorted((one, other) => (one.edge < other.edge ? -1 : 1));
  const staying = all.filter(({ isDraining, weight }) => !isDraining && weight > 0);
  return staying.length > 0 ? staying : all;
}

/** Each partition belongs to its newest claim; of two equally old ones, to the first edge. */
function sharesOf(
  candidates: readonly Candidate[],
  { partitions, pins }: Omit<AssignmentRequest, "candidates">,
): Share[] {
  const claims = new Map<number, Candidate>();
  for (const candidate of candidates) {
    for (const partition of candidate.owned) claim(claims, partition, candidate);
  }
  return candidates.map((candidate) => ({
    candidate,
    kept: candidate.owned
      .filter((partition) => partition < partitions && !pins.has(partition))
      .filter((partition) => claims.get(partition) === candidate)
      .toSorted(byNumber),
    taken: [],
    quota: 0,
  }));
}

function giveQuotas(shares: readonly Share[], seats: number): void {
  for (const share of shares) share.quota = share.taken.length;
  for (let seat = 0; seat < seats; seat++) {
    let poorest: Share | undefined;
    for (const share of shares) {
      if (poorest === undefined || comesBefore(share, poorest)) poorest = share;
    }
    if (poorest !== undefined) poorest.quota += 1;
  }
}

function comesBefore(share: Share, other: Share): boolean {
  const difference = burden(share) - burden(other);
  if (difference !== 0) return difference < 0;
  return surplus(share) > surplus(other);
}

/** What each unit of weight would carry with one partition more. */
function burden({ quota, candidate }: Share): number {
  return (quota + 1) / Math.max(candidate.weight, WEIGHT_MIN);
}

/** What it would have to give away with the share as it is. */
function surplus({ kept, taken, quota }: Share): number {
  return kept.length + taken.length - quota;
}

function byNumber(one: number, other: number): number {
  return one - other;
}
