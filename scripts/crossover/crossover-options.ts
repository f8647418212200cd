import { parseArgs } from "node:util";
import type { Costs, FleetLoad } from "./crossover.ts";
import { MEASURED_COSTS } from "./measured-costs.ts";

export const USAGE = `usage: npm run crossover -- --edges N --interest P --rate R --partitions K [options]

Whether edges that read the whole log (EDGE_DELIVERY=direct) or those that are relayed to (relay) need
less CPU, and how much each needs, from costs that were measured (docs/performance.md). Starts nothing.

  --edges N          number of edges
  --interest P       share of the conversations that have a subscriber on an edge, from 0 to 1
  --rate R           records a second in the whole topic
  --partitions K     of the topic
  --conversations C  over so many the records are spread (default 10000)
  --json             one line of JSON, CPU as shares of a core

Costs in µs of CPU, where yours are others (npm run bench -- relay-records measures them):
  --read-us          a record that an edge reads itself
  --said-us          beyond that: a record that its owner relays
  --heard-us         a record that an edge is relayed
  --piece-said-us    each piece (records of one bucket, or a heartbeat) for who says it
  --piece-heard-us   each piece for who hears it
  --redis-said-us    each piece for Redis
  --redis-heard-us   and each edge that it gives it to

  npm run crossover -- --edges 30 --interest 0.01 --rate 5000 --partitions 48`;

export interface CrossoverOptions {
  readonly load: FleetLoad;
  readonly costs: Costs;
  readonly isJson: boolean;
}

const TEXT = { type: "string" } as const;

/** Undefined: the usage was asked for. Throws what is wrong with them. */
export function readCrossoverOptions(args: readonly string[]): CrossoverOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      edges: TEXT,
      interest: TEXT,
      rate: TEXT,
      partitions: TEXT,
      conversations: { ...TEXT, default: "10000" },
      "read-us": TEXT,
      "said-us": TEXT,
      "heard-us": TEXT,
      "piece-said-us": TEXT,
      "piece-heard-us": TEXT,
      "redis-said-us": TEXT,
      "redis-heard-us": TEXT,
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const measured = MEASURED_COSTS;
  return {
    load: {
      edges: count("edges", values.edges),
      interest: share("interest", values.interest),
      perS: positive("rate", values.rate),
      partitions: count("partitions", values.partitions),
      conversations: count("conversations", values.conversations),
    },
    costs: {
      read: at("read-us", values["read-us"], measured.read),
      said: at("said-us", values["said-us"], measured.said),
      heard: at("heard-us", values["heard-us"], measured.heard),
      pieceSaid: us("piece-said-us", values["piece-said-us"], measured.pieceSaid),
      pieceHeard: us("piece-heard-us", values["piece-heard-us"], measured.pieceHeard),
      redisSaid: us("redis-said-us", values["redis-said-us"], measured.redisSaid),
      redisHeard: us("redis-heard-us", values["redis-heard-us"], measured.redisHeard),
    },
    isJson: values.json,
  };
}

/** At every rate. */
function at(name: string, text: string | undefined, fallback: Costs["read"]): Costs["read"] {
  return text === undefined ? fallback : [{ perS: 1, us: amount(name, text) }];
}

function us(name: string, text: string | undefined, fallback: number): number {
  return text === undefined ? fallback : amount(name, text);
}

function positive(name: string, text: string | undefined): number {
  const value = amount(name, text);
  if (value === 0) throw new Error(`--${name} must be more than 0`);
  return value;
}

function count(name: string, text: string | undefined): number {
  const value = positive(name, text);
  if (!Number.isInteger(value)) throw new Error(`--${name} must be a whole number`);
  return value;
}

function share(name: string, text: string | undefined): number {
  const value = amount(name, text);
  if (value > 1) throw new Error(`--${name} must be a share from 0 to 1`);
  return value;
}

function amount(name: string, text: string | undefined): number {
  if (text === undefined) throw new Error(`--${name} is missing; --help tells what it means`);
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0) {
    throw new Error(`--${name} must be a number, 0 or more`);
  }
  return value;
}
