import type { SettingsByName, SettingsChange } from "@millrace/log";
import type { ReplicaMove } from "./replica-plan.ts";

export const RATES = [
  "leader.replication.throttled.rate",
  "follower.replication.throttled.rate",
] as const;

export const REPLICAS = [
  "leader.replication.throttled.replicas",
  "follower.replication.throttled.replicas",
] as const;

/**
 * Other tools throttle with the same settings, and give both rates the same value. What is set here says
 * so: the followers' rate is one byte a second more than the leaders', and each list of replicas begins
 * with one on a broker that no cluster has (the largest number that Kafka takes).
 */
const FOLLOWERS_MORE = 1;
const LIST_MARK = "0:2147483647";

/** Where it stands. */
export interface Throttle {
  /** Null where no broker has it. */
  readonly bytesPerSec: number | null;
  readonly brokers: readonly string[];
  readonly topics: readonly string[];
}

export interface StandingThrottles {
  /** What was set here, by this control or another one, and only that. */
  readonly ours: Throttle;
  /** What other tools have set. */
  readonly foreign: Throttle;
}

/** Of the settings of all brokers that live, and of all topics. */
export function throttlesIn(brokers: SettingsByName, topics: SettingsByName): StandingThrottles {
  const rates = [...brokers].map(([name, settings]) => ({ name, ...ratesIn(settings) }));
  const lists = [...topics].map(([name, settings]) => {
    const values = REPLICAS.map((list) => settings.get(list)).filter((one) => one !== undefined);
    return { name, isOurs: values.some(isMarked), isForeign: values.some((one) => !isMarked(one)) };
  });
  const own = rates.filter(({ isOurs }) => isOurs);
  const others = rates.filter(({ isOurs, isThere }) => isThere && !isOurs);
  return {
    ours: {
      bytesPerSec: own[0]?.bytesPerSec ?? null,
      brokers: own.map(({ name }) => name),
      topics: lists.filter(({ isOurs, isForeign }) => isOurs && !isForeign).map(nameOf),
    },
    foreign: {
      bytesPerSec: others[0]?.bytesPerSec ?? null,
      brokers: others.map(({ name }) => name),
      topics: lists.filter(({ isForeign }) => isForeign).map(nameOf),
    },
  };
}

export function isStanding({ brokers, topics }: Throttle): boolean {
  return brokers.length > 0 || topics.length > 0;
}

/**
 * The old replicas are slowed as those that are read from, the new ones as those that read: the
 * replicas that stay in sync meanwhile are not (Kafka's documentation, 6.1 "Limiting bandwidth"). A
 * broker that is away can't be told, and copies nothing.
 */
export function throttleOf(
  all: readonly ReplicaMove[],
  { bytesPerSec, live }: { readonly bytesPerSec: number; readonly live: readonly number[] },
): SettingsChange[] {
  // Who only leads first from now on copies nothing.
  const moves = all.filter((move) => added(move).length > 0);
  const topics = [...new Set(moves.map(({ topic }) => topic))];
  const involved = new Set(moves.flatMap(({ from, to }) => [...from, ...to]));
  const settings = {
    [RATES[0]]: String(bytesPerSec),
    [RATES[1]]: String(bytesPerSec + FOLLOWERS_MORE),
  };
  const brokers = live.filter((broker) => involved.has(broker));
  return [
    ...brokers.map((broker) => ({ kind: "BROKER" as const, name: String(broker), settings })),
    ...topics.map((name) => {
      const those = moves.filter(({ topic }) => topic === name);
      const lists = {
        [REPLICAS[0]]: replicaList(those, ({ from }) => from),
        [REPLICAS[1]]: replicaList(those, added),
      };
      return { kind: "TOPIC" as const, name, settings: lists };
    }),
  ];
}

/** What takes it away. */
export function removalOf({ brokers, topics }: Throttle): SettingsChange[] {
  return [
    ...topics.map((name) => ({ kind: "TOPIC" as const, name, settings: noneOf(REPLICAS) })),
    ...brokers.map((name) => ({ kind: "BROKER" as const, name, settings: noneOf(RATES) })),
  ];
}

function ratesIn(settings: ReadonlyMap<string, string>) {
  const [leaders, followers] = RATES.map((name) => settings.get(name));
  const isThere = leaders !== undefined || followers !== undefined;
  const isOurs =
    leaders !== undefined &&
    followers !== undefined &&
    Number(followers) === Number(leaders) + FOLLOWERS_MORE;
  return { isThere, isOurs, bytesPerSec: Number(leaders ?? followers) };
}

function isMarked(list: string): boolean {
  return list.split(",").includes(LIST_MARK);
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

function added({ from, to }: ReplicaMove): number[] {
  return to.filter((broker) => !from.includes(broker));
}

/** `partition:broker`, as Kafka wants it. */
function replicaList(
  moves: readonly ReplicaMove[],
  brokersOf: (move: ReplicaMove) => readonly number[],
): string {
  const entries = moves.flatMap((move) => {
    return brokersOf(move).map((broker) => `${move.partition}:${broker}`);
  });
  return [LIST_MARK, ...entries].join(",");
}

function noneOf(names: readonly string[]): Readonly<Record<string, null>> {
  return Object.fromEntries(names.map((name) => [name, null]));
}
