import { RELAY_BUCKETS } from "../../services/edge/src/relay/relay-bucket.ts";

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
  /** Where relay begins to cost an edge less, all else as given; absent: nowhere. */
  readonly relayFrom: {
    readonly edges?: number;
    readonly perS?: number;
    /** At most so much. */
    readonly interest?: number;
  };
}

const EDGES_MAX = 1_000;
const RATE_MAX = 1_000_000;
const INTEREST_MIN = 1e-6;
const STEP = 1.02;

/** A bucket that nothing is said of for that long is said to be silent: see `RelaySender`. */
const HEARTBEAT_S = 0.25;

export function crossover(load: FleetLoad, costs: Costs): Crossover {
  const direct = directCpu(load, costs);
  const relay = relayed(load, costs);
  const isCheaper = (other: Partial<FleetLoad>): boolean => {
    const changed = { ...load, ...other };
    return relayed(changed, costs).cpuPerEdge < directCpu(changed, costs);
  };
  const edges = first(
    2,
    EDGES_MAX,
    (value) => value + 1,
    (value) => isCheaper({ edges: value }),
  );
  const perS = first(1, RATE_MAX, higher, (value) => isCheaper({ perS: value }));
  const interest = first(1, INTEREST_MIN, lower, (value) => isCheaper({ interest: value }));
  return {
    choice: relay.cpuPerEdge < direct ? "relay" : "direct",
    direct: { cpuPerEdge: direct },
    relay,
    relayFrom: {
      ...(edges !== undefined && { edges }),
      ...(perS !== undefined && { perS }),
      ...(interest !== undefined && { interest }),
    },
  };
}

/** What its subscribers want costs the same either way, and is left out of both. */
function directCpu({ perS }: FleetLoad, { read }: Costs): number {
  return (perS * costAt(read, perS)) / 1e6;
}

/**
 * Each edge reads and says what it owns, which is the same share for all, and hears every piece of
 * the buckets that it follows, its own ones too: what it has read already the marks drop.
 */
function relayed(load: FleetLoad, costs: Costs): Crossover["relay"] {
  const { edges, interest, perS, partitions, conversations } = load;
  const buckets = partitions * RELAY_BUCKETS;
  const followed = 1 - (1 - interest) ** (conversations / buckets);
  const heardByAny = 1 - (1 - followed) ** edges;
  const recordsOfBucket = perS / buckets;
  // Each record comes in a piece of its own, as long as requests are not full.
  const beatsOfBucket = Math.exp(-recordsOfBucket * HEARTBEAT_S) / HEARTBEAT_S;
  const beats = buckets * beatsOfBucket;
  const own = perS / edges;
  const heard = perS * followed;
  const reading = own * costAt(costs.read, own);
  const saying = own * heardByAny * (costAt(costs.said, own) + costs.pieceSaid);
  const hearing = heard * (costAt(costs.heard, heard) + costs.pieceHeard);
  const beating = (beats / edges) * costs.pieceSaid + beats * followed * costs.pieceHeard;
  const piecesPerS = beats + perS * heardByAny;
  const heardPieces = edges * followed * (beats + perS);
  return {
    cpuPerEdge: (reading + saying + hearing + beating) / 1e6,
    redisCpu: (piecesPerS * costs.redisSaid + heardPieces * costs.redisHeard) / 1e6,
    piecesPerS,
    followed,
  };
}

/** Between two rates that were measured by the rate's logarithm, and beyond them as at the nearest. */
export function costAt(points: readonly At[], perS: number): number {
  const sorted = points.toSorted((one, other) => one.perS - other.perS);
  const above = sorted.find((point) => point.perS >= perS);
  const below = sorted.findLast((point) => point.perS <= perS);
  const nearest = below ?? above;
  if (nearest === undefined) throw new RangeError("a cost that was never measured");
  if (above === undefined || below === undefined || above === below) return nearest.us;
  const way = Math.log(perS / below.perS) / Math.log(above.perS / below.perS);
  return below.us + (above.us - below.us) * way;
}

function higher(value: number): number {
  return value * STEP;
}

function lower(value: number): number {
  return value / STEP;
}

function first(
  from: number,
  to: number,
  next: (value: number) => number,
  holds: (value: number) => boolean,
): number | undefined {
  const isWithin = (value: number): boolean => (from < to ? value <= to : value >= to);
  for (let value = from; isWithin(value); value = next(value)) if (holds(value)) return value;
  return undefined;
}
