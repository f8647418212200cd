import {
  type Clock,
  type CredentialSource,
  type Logger,
  delay,
  messageOf,
  within,
} from "@millrace/runtime";
import kafkajs, { type Consumer } from "kafkajs";
import type { Ownership, OwnershipMember } from "../../ownership.ts";
import { kafkaSecurity } from "../credentials.ts";
import { interruptHeartbeats, silenceIdleTimers } from "../kafkajs.ts";
import { OutageReport } from "../outage-report.ts";
import { DistributionWish } from "./distribution-wish.ts";
import { millraceAssigner } from "./membership.ts";

const { Kafka, logLevel } = kafkajs;

export interface OwnershipGroupOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly groupId: string;
  /** Of the topic's incarnation. */
  readonly partitions: () => number;
  readonly self: () => OwnershipMember;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Partitions that operators have tied to an edge. */
  readonly pins?: () => ReadonlyMap<number, string>;
  /** Without it connections are plain. */
  readonly credentials?: CredentialSource;
  /** A member spoke in a version that is not known here. */
  readonly onUnreadable?: () => void;
}

/** A member that was killed is missed after that time; brokers allow no less by default. */
const SESSION_MS = 6_000;

/** How soon a member hears that somebody has come or gone. */
const HEARTBEAT_MS = 300;

/** How long the members have to join again; one that is late is left out until it comes. */
const REBALANCE_MS = 3_000;

const COMMIT_MS = 5_000;
const LEAVE_MS = 2_000;

/** A broker that does not let it in is asked ever more rarely: nothing waits for the membership. */
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 8_000;

/** A coordinator that has just started, or moved, says no once or twice, which is nobody's concern. */
const PASSING_MS = 2 * RETRY_MS_MIN;

const NO_PINS: ReadonlyMap<number, string> = new Map();

const NO_MEMBER = {
  lasts: "no member of the group, which costs no delivery; it is tried again",
  ended: "a member of the group again",
} as const;

/**
 * A Kafka consumer group that decides who owns which partition, and does nothing else: the topic is
 * paused for good, so that a member only joins, heartbeats, and commits how far its edge has handed
 * on, for the tools that show a group's lag.
 *
 * Each life of the membership is a consumer of kafkajs; whatever ends it, another follows. Between
 * two lives the edge keeps what it owned: somebody else may own it by then, and that does no harm.
 */
class OwnershipGroup implements Ownership {
  readonly #options: OwnershipGroupOptions;
  readonly #listeners = new Set<(owned: ReadonlySet<number>) => void>();
  /** What was handed on and not committed yet: at most one offset for each partition. */
  readonly #progress = new Map<number, bigint>();
  #owned: ReadonlySet<number> = new Set();
  #givenMs = 0;
  #life = new AbortController();
  #running: Promise<void> | undefined;
  /** It was told to join, and not to leave since. */
  #isWanted = false;
  /** When the group last had it as a member. */
  #memberMs = Number.NEGATIVE_INFINITY;
  #retryMs = RETRY_MS_MIN;
  readonly #wish: DistributionWish;
  /** Something has happened since it was last looked whether the wish is due. */
  #mayBeDue = false;
  readonly #outage: OutageReport;

  constructor(options: OwnershipGroupOptions) {
    this.#options = options;
    this.#wish = new DistributionWish(options.self, options.pins ?? (() => NO_PINS));
    this.#outage = new OutageReport({ ...options, words: NO_MEMBER });
  }

  get owned(): ReadonlySet<number> {
    return this.#owned;
  }

  onChange(listener: (owned: ReadonlySet<number>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  progressed(partition: number, nextOffset: bigint): void {
    if (this.#owned.has(partition)) this.#progress.set(partition, nextOffset);
  }

  join(): void {
    this.#isWanted = true;
    this.#running ??= this.#run();
  }

  refresh(): void {
    this.#mayBeDue = true;
  }

  rejoin(): void {
    this.#wish.ask();
    this.refresh();
  }

  async leave(): Promise<void> {
    this.#isWanted = false;
    this.#life.abort();
    // A broker that hangs keeps a join or a commit for as long as its retries go.
    const { clock } = this.#options;
    await within(clock, 2 * LEAVE_MS, this.#running ?? Promise.resolve()).catch(() => undefined);
    // It may have been told to join again meanwhile.
    if (!this.#isWanted) this.#own(new Set());
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (this.#isWanted) {
      this.#life = new AbortController();
      try {
        await this.#live(this.#life.signal);
      } catch (cause) {
        if (this.#retryMs > PASSING_MS) this.#outage.lasts(cause);
        if (clock.nowMs() - this.#memberMs > SESSION_MS) this.#own(new Set());
        await delay(clock, this.#retryMs, this.#life.signal);
        this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
      }
    }
    // In the same step as the look at `#isWanted`: whoever joins from now on begins anew.
    this.#running = undefined;
  }

  /** Until the signal; rejects when kafkajs gives up. */
  async #live(signal: AbortSignal): Promise<void> {
    const { topic, clock } = this.#options;
    const consumer = this.#create();
    const crash = new AbortController();
    consumer.on("consumer.crash", ({ payload }) => crash.abort(payload.error));
    consumer.on("consumer.heartbeat", () => {
      this.#memberMs = clock.nowMs();
    });
    const over = AbortSignal.any([signal, crash.signal]);
    consumer.on("consumer.group_join", ({ payload }) => {
      consumer.pause([{ topic }]);
      // A join that a broker kept for long may end after this edge has left.
      if (!signal.aborted) this.#given(payload.memberAssignment[topic] ?? []);
    });
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [topic] });
      await consumer.run({ autoCommit: false, eachBatch: async () => undefined });
      while (!over.aborted) {
        await delay(clock, COMMIT_MS, over);
        if (!over.aborted) await this.#commit(consumer);
      }
      if (crash.signal.aborted && !signal.aborted) throw crash.signal.reason;
    } finally {
      // Where no broker answers it would go on as long as its retries do.
      await within(clock, LEAVE_MS, consumer.disconnect()).catch(() => undefined);
    }
  }

  #create(): Consumer {
    const { brokers, topic, groupId, partitions, self, credentials, pins } = this.#options;
    const { onUnreadable } = this.#options;
    silenceIdleTimers();
    const kafka = new Kafka({
      ...kafkaSecurity(credentials),
      brokers: [...brokers],
      clientId: self().edge,
      logLevel: logLevel.NOTHING,
    });
    const assigner = millraceAssigner({
      topic,
      partitions,
      pins: pins ?? (() => NO_PINS),
      self: () => ({ ...this.#wish.say(), owned: [...this.#owned], givenMs: this.#givenMs }),
      onAssigned: (used) => this.#wish.led(used),
      onCluster: (cluster) => interruptHeartbeats(cluster, () => this.#isDue()),
      ...(onUnreadable && { onUnreadable }),
    });
    return kafka.consumer({
      groupId,
      partitionAssigners: [assigner],
      sessionTimeout: SESSION_MS,
      rebalanceTimeout: REBALANCE_MS,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: HEARTBEAT_MS,
      // A topic that is deleted to be made anew must not come back with the broker's own settings.
      allowAutoTopicCreation: false,
      retry: { retries: 5, restartOnFailure: async () => false },
    });
  }

  #isDue(): boolean {
    this.#mayBeDue &&= this.#wish.isDue;
    return this.#mayBeDue;
  }

  #given(partitions: readonly number[]): void {
    this.#outage.ended();
    this.#retryMs = RETRY_MS_MIN;
    // What has changed while it was joining is looked at with the next heartbeat.
    this.#mayBeDue = true;
    this.#givenMs = this.#options.clock.wallMs();
    this.#own(new Set(partitions));
  }

  #own(owned: ReadonlySet<number>): void {
    const before = this.#owned;
    this.#owned = owned;
    for (const partition of this.#progress.keys()) {
      if (!owned.has(partition)) this.#progress.delete(partition);
    }
    if (before.size === owned.size && [...before].every((partition) => owned.has(partition)))
      return;
    this.#options.logger.info({ partitions: [...owned] }, "partitions owned");
    for (const listener of this.#listeners) listener(owned);
  }

  /** What fails here is committed with the next; a membership that is over ends by itself. */
  async #commit(consumer: Consumer): Promise<void> {
    const { topic, logger } = this.#options;
    const offsets = [...this.#progress].map(([partition, offset]) => ({
      topic,
      partition,
      offset: String(offset),
    }));
    if (offsets.length === 0) return;
    this.#progress.clear();
    try {
      await consumer.commitOffsets(offsets);
    } catch (cause) {
      logger.debug({ error: messageOf(cause) }, "progress was not committed");
    }
  }
}

export function createOwnershipGroup(options: OwnershipGroupOptions): Ownership {
  return new OwnershipGroup(options);
}
