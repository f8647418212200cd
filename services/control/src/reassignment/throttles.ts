import type { ClusterAdmin, SettingsChange } from "@millrace/log";
import { type Clock, type Logger, delay } from "@millrace/runtime";
import type { ReassignmentView } from "../api/views.ts";
import { LIMITS } from "../limits.ts";
import type { ReplicaMove } from "./replica-plan.ts";

const RATES = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"] as const;
const REPLICAS = [
  "leader.replication.throttled.replicas",
  "follower.replication.throttled.replicas",
] as const;

export interface ThrottlesOptions {
  readonly admin: ClusterAdmin;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Standing {
  readonly bytesPerSec: number | null;
  readonly brokers: readonly string[];
  readonly topics: readonly string[];
}

const NONE: Standing = { bytesPerSec: null, brokers: [], topics: [] };

/**
 * Moves replicas, throttled where that is wished, and takes the throttle away when nothing moves any
 * more: left standing it would slow down brokers that come back after a failure.
 *
 * What stands is read from the cluster itself, so that it is taken away also by a control that was
 * started anew, or by another one. It counts as ours where a broker has both rates, which is how it is
 * set here. It is taken away when nothing moved in two looks in a row: between the first replica's
 * throttle and the first replica's move somebody else may be looking.
 */
export class Throttles {
  readonly #options: ThrottlesOptions;
  readonly #stop = new AbortController();
  #wake = new AbortController();
  #idleLooks = 0;

  constructor(options: ThrottlesOptions) {
    this.#options = options;
  }

  /** As the cluster has it. Rejects while it does not answer. */
  async view(): Promise<ReassignmentView> {
    const [partitions, { bytesPerSec }] = await Promise.all([
      this.#options.admin.reassignments(),
      this.#standing(),
    ]);
    return { isRunning: partitions.length > 0, throttleBytesPerSec: bytesPerSec, partitions };
  }

  /** The throttle first: a move that has begun without would fill the net. */
  async begin(moves: readonly ReplicaMove[], bytesPerSec?: number): Promise<void> {
    const { admin } = this.#options;
    this.#idleLooks = 0;
    if (bytesPerSec !== undefined) await admin.changeSettings(throttleOf(moves, bytesPerSec));
    try {
      const wishes = moves.map(({ topic, partition, to: replicas }) => {
        return { topic, partition, replicas };
      });
      await admin.reassign(wishes);
    } finally {
      this.#idleLooks = 0;
      this.#wake.abort();
    }
  }

  /** What is on its way goes back; the throttle goes with it. */
  async cancel(): Promise<number> {
    const { admin } = this.#options;
    const moving = await admin.reassignments();
    const wishes = moving.map(({ topic, partition }) => ({ topic, partition, replicas: null }));
    if (wishes.length > 0) await admin.reassign(wishes);
    await this.#remove(await this.#standing());
    return moving.length;
  }

  /** Until `close`. Never rejects. */
  async watch(): Promise<void> {
    const { clock, logger } = this.#options;
    while (!this.#stop.signal.aborted) {
      let isStanding = false;
      // Before the look: what begins meanwhile wants another one soon.
      this.#wake = new AbortController();
      try {
        isStanding = await this.#look();
      } catch (cause) {
        logger.debug({ err: cause }, "throttles can't be looked at now");
      }
      const until = AbortSignal.any([this.#stop.signal, this.#wake.signal]);
      await delay(clock, isStanding ? LIMITS.reassignmentMs : LIMITS.watchMs, until);
    }
  }

  close(): void {
    this.#stop.abort();
  }

  /** Whether a throttle stands. */
  async #look(): Promise<boolean> {
    const standing = await this.#standing();
    if (standing.bytesPerSec === null) return false;
    const isMoving = (await this.#options.admin.reassignments()).length > 0;
    this.#idleLooks = isMoving ? 0 : this.#idleLooks + 1;
    if (this.#idleLooks < 2) return true;
    await this.#remove(standing);
    return false;
  }

  async #remove({ brokers, topics }: Standing): Promise<void> {
    const changes = [
      ...topics.map((name) => changeOf("TOPIC", name, noneOf(REPLICAS))),
      ...brokers.map((name) => changeOf("BROKER", name, noneOf(RATES))),
    ];
    if (changes.length === 0) return;
    await this.#options.admin.changeSettings(changes);
    this.#options.logger.info({ brokers, topics }, "the throttle of moved replicas was removed");
  }

  async #standing(): Promise<Standing> {
    const { admin } = this.#options;
    const { brokers } = await admin.describe([]);
    const ids = brokers.map(({ id }) => String(id));
    const ofBrokers = await admin.settingsOf("BROKER", ids);
    const throttled = [...ofBrokers].filter(([, settings]) => RATES.every((n) => settings.has(n)));
    if (throttled.length === 0) return NONE;
    const ofTopics = await admin.settingsOf("TOPIC", await admin.topics());
    return {
      bytesPerSec: Number(throttled[0]?.[1].get(RATES[0])),
      brokers: throttled.map(([name]) => name),
      topics: [...ofTopics]
        .filter(([, settings]) => REPLICAS.every((name) => settings.has(name)))
        .map(([name]) => name),
    };
  }
}

/**
 * The old replicas are slowed as those that are read from, the new ones as those that read: the
 * replicas that stay in sync meanwhile are not (Kafka's documentation, 6.1 "Limiting bandwidth").
 */
function throttleOf(all: readonly ReplicaMove[], bytesPerSec: number): SettingsChange[] {
  // Who only leads first from now on copies nothing.
  const moves = all.filter((move) => added(move).length > 0);
  const topics = [...new Set(moves.map(({ topic }) => topic))];
  const brokers = [...new Set(moves.flatMap(({ from, to }) => [...from, ...to]))];
  const rate = String(bytesPerSec);
  return [
    ...brokers.map((broker) => {
      return changeOf("BROKER", String(broker), { [RATES[0]]: rate, [RATES[1]]: rate });
    }),
    ...topics.map((topic) => {
      const those = moves.filter((move) => move.topic === topic);
      return changeOf("TOPIC", topic, {
        [REPLICAS[0]]: replicaList(those, ({ from }) => from),
        [REPLICAS[1]]: replicaList(those, added),
      });
    }),
  ];
}

function added({ from, to }: ReplicaMove): number[] {
  return to.filter((broker) => !from.includes(broker));
}

/** `partition:broker`, as Kafka wants it. */
function replicaList(
  moves: readonly ReplicaMove[],
  brokersOf: (move: ReplicaMove) => readonly number[],
): string {
  return moves
    .flatMap((move) => brokersOf(move).map((broker) => `${move.partition}:${broker}`))
    .join(",");
}

function noneOf(names: readonly string[]): Readonly<Record<string, null>> {
  return Object.fromEntries(names.map((name) => [name, null]));
}

function changeOf(
  kind: SettingsChange["kind"],
  name: string,
  settings: SettingsChange["settings"],
): SettingsChange {
  return { kind, name, settings };
}
