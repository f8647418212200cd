import type { Epoch, Log } from "@millrace/log";
import { type Clock, delay } from "@millrace/runtime";
import { type ConversationId, partitionOf } from "@millrace/schemas";
import type { Told } from "../hub/told.ts";
import type { TailOrigin } from "./partition-tail.ts";

const POLL_MS = 20;
const PASS_POLL_MS = 2;

/** Whoever is only slow has moved by then. */
const STALLED_MS = 5_000;

/** One partition, whichever way its records come. */
export interface PartitionSource {
  readonly partition: number;
  /** A place that the log has reached, as far as is known here; undefined: not reached yet. */
  readonly position: Told | undefined;
  /** Where the present run began. */
  readonly runStart: Told | undefined;
  /** Everything before it was read from the log and handed to the follower. */
  readonly readPosition: Told | undefined;
  /** Everything before it was handed on here; undefined: not reached yet. */
  readonly nextOffset: bigint | undefined;
  /** Where the log ends, as was last heard. */
  readonly endOffset: bigint | undefined;
  /** How many offsets it is behind the log's end. */
  readonly lag: number | undefined;
  /** For how long it has not been at the log's end; 0 where it is. */
  readonly lagMs: number;
  /** How long ago it last heard of the log. */
  readonly silenceMs: number;
  /** For how long it has stood still although the log is known to go on; 0 where it is at the end. */
  readonly stalledMs: number;
  /** Whether the log is being read here. */
  readonly isDirect: boolean;
  /** Everything of that key before it was handed to the hubs, and everything behind it will be. */
  positionOf(key: Uint8Array): Told | undefined;
  /** Whether it stands where it is until it is resumed. */
  readonly isPaused: boolean;
  /** The follower is needed: the log is read from now on, also where delivery does not need it. */
  read(): void;
  /** Hands on nothing more, and keeps its place; what the follower needs is read all the same. */
  pause(): void;
  /** Goes on with the very next record. */
  resume(): void;
  start(): void;
  stop(): Promise<void>;
}

/** How a partition's tail stands. */
export type TailState = Pick<
  PartitionSource,
  | "partition"
  | "nextOffset"
  | "endOffset"
  | "lag"
  | "lagMs"
  | "silenceMs"
  | "stalledMs"
  | "isDirect"
  | "isPaused"
>;

export interface TailsOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly sourceOf: (partition: number, origin: TailOrigin) => PartitionSource;
  /** Whether operators have paused that partition. */
  readonly isPaused?: (partition: number) => boolean;
}

/** All partitions' tails, and which of them a conversation is in. */
export class Tails {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #sourceOf: TailsOptions["sourceOf"];
  readonly #isPaused: (partition: number) => boolean;
  readonly #tails: PartitionSource[] = [];
  readonly #stopListening: () => void;

  constructor(options: TailsOptions) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#sourceOf = options.sourceOf;
    this.#isPaused = options.isPaused ?? (() => false);
    this.#stopListening = options.log.onEpoch((epoch) => this.#extend(epoch));
    if (options.log.epoch !== undefined) this.#extend(options.log.epoch);
  }

  /** The one partition of a conversation's records; undefined before the log was reached. */
  partitionOf(conversation: ConversationId): number | undefined {
    const { epoch } = this.#log;
    return epoch && partitionOf(Buffer.from(conversation), epoch.partitions);
  }

  position(partition: number): Told | undefined {
    return this.#tails[partition]?.position;
  }

  /** The position of the tail that the conversation is in now; undefined: not reached. */
  positionOf(conversation: ConversationId): Told | undefined {
    const { epoch } = this.#log;
    if (epoch === undefined) return undefined;
    const key = Buffer.from(conversation);
    return this.#tails[partitionOf(key, epoch.partitions)]?.positionOf(key);
  }

  /** How many partitions' tails have reached the log. */
  get reached(): number {
    return this.#tails.filter((tail) => tail.position !== undefined).length;
  }

  /** How long ago any partition was last heard of: with nothing of the log there is nothing to serve. */
  get silenceMs(): number {
    return Math.min(...this.#present().map(({ silenceMs }) => silenceMs));
  }

  /** How each partition's tail stands. */
  states(): readonly TailState[] {
    return this.#present();
  }

  isPaused(partition: number): boolean {
    return this.#tails[partition]?.isPaused ?? false;
  }

  /** Where the conversation's delivery stands while its partition is paused; undefined: it is not. */
  pausedAt(conversation: ConversationId): Told | undefined {
    const partition = this.partitionOf(conversation);
    const isPaused = partition !== undefined && this.isPaused(partition);
    return isPaused ? this.positionOf(conversation) : undefined;
  }

  /** Which partitions are paused may have changed. */
  obeyPauses(): void {
    for (const tail of this.#tails) this.#obey(tail);
  }

  /** Partitions whose records do not come, though the log has them. */
  stalled(): number[] {
    const stalled = this.#present().filter(({ stalledMs }) => stalledMs >= STALLED_MS);
    return stalled.map(({ partition }) => partition);
  }

  /**
   * The tail's position at the time of the call. Where the partition can't be reached yet, that is
   * waited for, and it is the place where the tail began then, so that nothing which came meanwhile
   * is behind it. Undefined: too late, or nobody can say what came meanwhile.
   */
  async whenReached(conversation: ConversationId, waitMs: number): Promise<Told | undefined> {
    const deadlineMs = this.#clock.nowMs() + waitMs;
    const position = this.positionOf(conversation);
    if (position !== undefined) return position;
    while (this.#clock.nowMs() < deadlineMs) {
      await delay(this.#clock, POLL_MS);
      const partition = this.partitionOf(conversation);
      const tail = partition === undefined ? undefined : this.#tails[partition];
      if (tail?.position !== undefined) return tail.runStart;
    }
    return undefined;
  }

  /**
   * The tail's position once it has passed everything that the log has now. Undefined: not within
   * that time.
   */
  async whenPassed(partition: number, waitMs: number): Promise<Told | undefined> {
    const deadlineMs = this.#clock.nowMs() + waitMs;
    const bounds = await this.#log.bounds(partition);
    if (bounds.kind === "unavailable") return undefined;
    for (;;) {
      this.#tails[partition]?.read();
      const position = this.#tails[partition]?.readPosition;
      const isSame = position?.epoch === bounds.epoch;
      if (isSame && position.offset >= bounds.endOffset) return position;
      if (this.#clock.nowMs() >= deadlineMs) return undefined;
      await delay(this.#clock, PASS_POLL_MS);
    }
  }

  async stop(): Promise<void> {
    this.#stopListening();
    await Promise.all(this.#tails.map((tail) => tail.stop()));
  }

  /** Without those that the incarnation no longer has. */
  #present(): PartitionSource[] {
    return this.#tails.slice(0, this.#log.epoch?.partitions ?? 0);
  }

  /** A tail of a partition that an incarnation no longer has waits until one has it again. */
  #extend(epoch: Epoch): void {
    const origin = this.#tails.length === 0 ? "end" : "start";
    for (let partition = this.#tails.length; partition < epoch.partitions; partition++) {
      const tail = this.#sourceOf(partition, origin);
      this.#tails.push(tail);
      this.#obey(tail);
      tail.start();
    }
  }

  #obey(tail: PartitionSource): void {
    const isPaused = this.#isPaused(tail.partition);
    if (isPaused === tail.isPaused) return;
    if (isPaused) tail.pause();
    else tail.resume();
  }
}
