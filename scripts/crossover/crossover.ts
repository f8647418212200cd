import { RELAY_BUCKETS } from "../../services/edge/src/relay/relay-bucket.ts";
import { HEARTBEAT_MS } from "../../services/edge/src/relay/relay-sender.ts";

/** How a fleet is used. */
export interface FleetLoad {
  readonly edges: number;
  /** Share of the conversations that have a subscriber on an edge, from 0 to 1. */
  readonly interest: number;
  /** Records a second, of all partitions together. */
  readonly perS: number;
  readonly partitions: number;
  /** Over so many the records are spread. */
  readonly conversations: number;
}

/** What was measured at a rate of that edge. */
interface At {
  readonly perS: number;
  readonly us: number;
}

/** µs of CPU; those of a record depend on how many share a request, and so on the rate. */
export interface Costs {
  /** A record that an edge reads from the log itself. */
  readonly read: readonly At[];
  /** Beyond reading: a record that its owner says, without the piece that it travels in. */
  readonly said: readonly At[];
  /** A record that an edge is relayed, without the piece that it travels in. */
  readonly heard: readonly At[];
  /** A piece that says nothing: a heartbeat. */
  readonly pieceSaid: number;
  readonly pieceHeard: number;
  /** Of Redis: a piece that it takes, and each edge that it gives it to. */
  readonly redisSaid: number;
  readonly redisHeard: number;
}

/** Shares of one core: 1 is a core that is fully busy. */
export interface Crossover {
  readonly choice: "direct" | "relay";
  readonly direct: { readonly cpuPerEdge: number };
  readonly relay: {
    readonly cpuPerEdge: number;
    readonly redisCpu: number;
    readonly piecesPerS: number;
    /** Of all buckets, those that an edge follows. */
    readonly followed: number;
  };
  /** Where relay costs an edge less, all else as given; absent: nowhere. */
  readonly relayWithin: {
    readonly edges?: Range;
    readonly perS?: Range;
    /** From above: at most so much. */
    readonly interest?: Range;
  };
}

/** Where something holds; without an end it goes on. */
export interface Range {
  readonly from: number;
  readonly to?: number;
}

const EDGES_MAX = 1_000;
const RATE_MAX = 1_000_000;
const INTEREST_MIN = 1e-6;
const STEP = 1.02;

/** A bucket that nothing is said of for that long is said to be silent. */
const HEARTBEAT_S = HEARTBEAT_MS / 1_000;

export function crossover(load: FleetLoad, costs: Costs): Crossover {
  const direct = directCpu(load, costs);
  const relay = relayed(load, costs);
  const isCheaper = (other: Partial<FleetLoad>): boolean => {
    const changed = { ...load, ...other };
    return relayed(changed, costs).cpuPerEdge < directCpu(changed, costs);
  };
  const more = Array.from({ length: EDGES_MAX - 1 }, (_, index) => 2 + index);
  const edges = rangeAt(load.edges, more, (value) => isCheaper({ edges: value }));
  const perS = rangeAt(load.perS, steps(1, RATE_MAX), (value) => isCheaper({ perS: value }));
  const shares = steps(INTEREST_MIN, 1).toReversed();
  const interest = rangeAt(load.interest, shares, (value) => isCheaper({ interest: value }));
  return {
    choice: relay.cpuPerEdge < direct ? "relay" : "direct",
    direct: { cpuPerEdge: direct },
    relay,
    relayWithin: {
      ...(edges !== undefined && { edges }),
      ...(perS !== undefined && { perS }),
      ...(interest !== undefined && { interest }),
    },
  };
}

/** What its subscribers want costs the same either way, and is left out of both. */
function directCpu({ perS }: FleetLoad, { read }: Costs): number {
  return usAt(read, perS) / 1e6;
}

/**
 * Each edge reads and says what it owns, which is the same share for all, and hears every piece of
 * the buckets that it follows, its own ones too: what it has read already the marks drop.
 */
function relayed(load: FleetLoad, costs: Costs): Crossover["relay"] {
  const { edges, interest, perS, partitions, conversations } = load;
  const buckets = partitions * RELAY_BUCKETS;
  const othersElsewhere = (1 - interest / buckets) ** (conversations - 1);
  const followed = 1 - othersElsewhere * (1 - interest / buckets);
  // A record is heard for its own conversation, or for another one of its bucket.
  const heardShare = 1 - othersElsewhere * (1 - interest);
  const heardByAny = 1 - (1 - heardShare) ** edges;
  const recordsOfBucket = perS / buckets;
  // Each record comes in a piece of its own, as long as requests are not full.
  const beatsOfBucket = Math.exp(-recordsOfBucket * HEARTBEAT_S) / HEARTBEAT_S;
  const beats = buckets * beatsOfBucket;
  const own = perS / edges;
  const heard = perS * heardShare;
  const reading = usAt(costs.read, own);
  const saying = heardByAny * (usAt(costs.said, own) + own * costs.pieceSaid);
  const hearing = usAt(costs.heard, heard) + heard * costs.pieceHeard;
  const beating = (beats / edges) * costs.pieceSaid + beats * followed * costs.pieceHeard;
  const piecesPerS = beats + perS * heardByAny;
  const heardPieces = edges * (followed * beats + heard);
  return {
    cpuPerEdge: (reading + saying + hearing + beating) / 1e6,
    redisCpu: (piecesPerS * costs.redisSaid + heardPieces * costs.redisHeard) / 1e6,
    piecesPerS,
    followed,
  };
}

/**
 * µs in a second at that rate: between two rates that were measured on the straight line, below them
 * and above them a record costs what it does at the nearest.
 */
export function usAt(points: readonly At[], perS: number): number {
  const sorted = points.toSorted((one, other) => one.perS - other.perS);
  const above = sorted.find((point) => point.perS >= perS);
  const below = sorted.findLast((point) => point.perS <= perS);
  const nearest = below ?? above;
  if (nearest === undefined) throw new RangeError("a cost that was never measured");
  if (above === undefined || below === undefined || above === below) return perS * nearest.us;
  const way = (perS - below.perS) / (above.perS - below.perS);
  return below.perS * below.us + (above.perS * above.us - below.perS * below.us) * way;
}

/** From the one to the other, each so much more than the one before. */
function steps(from: number, to: number): number[] {
  const count = Math.ceil(Math.log(to / from) / Math.log(STEP));
  return Array.from({ length: count + 1 }, (_, index) => Math.min(to, from * STEP ** index));
}

/** The range that the given value is in, or else the first one. */
function rangeAt(
  at: number,
  values: readonly number[],
  holds: (value: number) => boolean,
): Range | undefined {
  const ranges: number[][] = [];
  let isWithin = false;
  for (const value of values) {
    const isStart = holds(value) && !isWithin;
    isWithin = holds(value);
    if (isStart) ranges.push([]);
    if (isWithin) ranges.at(-1)?.push(value);
  }
  const range = ranges.find((held) => isBetween(at, held)) ?? ranges[0];
  const [from] = range ?? [];
  const to = range?.at(-1);
  if (from === undefined || to === undefined) return undefined;
  return { from, ...(to !== values.at(-1) && { to }) };
}

function isBetween(at: number, values: readonly number[]): boolean {
  return Math.min(...values) <= at && at <= Math.max(...values);
}
