import type { Epoch, Log, LogChunk, ReadOutcome, Unavailable } from "@millrace/log";
import { type Clock, type Logger, delay, messageOf, within } from "@millrace/runtime";
import { type Told, told } from "../hub/told.ts";
import type { EdgeLimits } from "../limits.ts";
import { TailProgress } from "./tail-progress.ts";
import type { PartitionSource } from "./tails.ts";

const LONG_POLL_MS = 5_000;

/** Nobody should take so much longer than was asked for: what was asked then is asked again. */
const READ_GRACE_MS = 5_000;

/** Where nothing comes, the log is asked that often how long it is. */
const BOUNDS_EVERY_MS = 15_000;

/** A tail that has stood still for so long reads on another way than a long poll. */
const STANDSTILL_MS = 1_000;

/** A tail that is paused looks that often how long the log has become. */
const PAUSED_LOOK_MS = 1_000;

const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;

/** Whoever else follows what a tail reads; its calls are made before the hubs'. */
export interface TailFollower {
  /** A run without a break begins there: at the start, and after each jump. */
  began(partition: number, position: Told): void;
  /** The next part of the run. */
  passed(chunk: LogChunk): void;
  /** A run that begins there, where the log has lost nothing: reading was given up for a while. */
  resumed?(partition: number, position: Told): void;
  /** The log is known to go so far, whoever has read it. */
  reached?(partition: number, position: Told): void;
}

/** Where the records of a tail go. */
export interface TailSink {
  /** The next part of the run. */
  take(chunk: LogChunk): void;
  /** The run has ended at that place, and another begins. */
  break(partition: number): void;
}

export interface TailOptions {
  readonly log: Log;
  readonly hubs: TailSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: EdgeLimits;
  readonly followers?: readonly TailFollower[];
  /** How long the log may say nothing before it is asked again. */
  readonly pollMs?: number;
}

/**
 * Where a tail begins, if not at a given place. What an edge finds when it starts is history; an
 * incarnation that comes while it runs is new from its first record on, also where its partition is
 * reached late.
 */
export type TailOrigin = "end" | "start";

/**
 * The edge's ordered stream of one partition, read from the log from its end on. `position` moves
 * in the same step in which the records before it go to the hubs, so that a hub made at `position`
 * sees everything behind it.
 *
 * What the tail can't read on from (retention passed it, the log lost its end, another incarnation)
 * is a break: the hubs are told first, then the tail goes on at a place that exists.
 *
 * Paused, it stands at its place, whatever a read that was under way may bring: the same is read again
 * when it goes on. A place it finds all the same, so that whoever subscribes has one to begin at.
 */
export class PartitionTail implements PartitionSource {
  readonly partition: number;
  readonly #options: TailOptions;
  readonly #stop = new AbortController();
  #position: Told | undefined;
  #runStart: Told | undefined;
  #origin: TailOrigin;
  #running: Promise<void> | undefined;
  #retryMs = RETRY_MS_MIN;
  #beyondEndSinceMs: number | undefined;
  readonly #progress: TailProgress;
  #boundsMs: number;
  /** Aborted when it goes on; undefined while it is not paused. */
  #pause: AbortController | undefined;

  constructor(partition: number, origin: TailOrigin | Told, options: TailOptions) {
    this.partition = partition;
    this.#origin = typeof origin === "string" ? origin : "start";
    this.#options = options;
    this.#progress = new TailProgress(options.clock);
    this.#boundsMs = options.clock.nowMs();
    if (typeof origin !== "string") this.#goOnAt(origin);
  }

  /** How many offsets it is behind the log's end; undefined until the partition was reached. */
  get lag(): number | undefined {
    return this.#progress.lag;
  }

  get nextOffset(): bigint | undefined {
    return this.#position?.offset;
  }

  get endOffset(): bigint | undefined {
    return this.#progress.endOffset;
  }

  get lagMs(): number {
    return this.#progress.lagMs;
  }

  get isDirect(): boolean {
    return true;
  }

  /** How long ago the log last answered for the partition. */
  get silenceMs(): number {
    return this.#progress.silenceMs;
  }

  /** For how long it has stood still although the log is known to go on. */
  get stalledMs(): number {
    return this.#progress.stalledMs;
  }

  /** The next record that the tail will hand on; undefined until the partition was reached. */
  get position(): Told | undefined {
    return this.#position;
  }

  /**
   * Where it last began or jumped to: nobody who waited for it since then has missed anything.
   * Undefined where that was the log's end at the edge's start: what came before is not known.
   */
  get runStart(): Told | undefined {
    return this.#origin === "end" ? undefined : this.#position && this.#runStart;
  }

  /** It is always read. */
  get readPosition(): Told | undefined {
    return this.#position;
  }

  get isPaused(): boolean {
    return this.#pause !== undefined;
  }

  read(): void {}

  pause(): void {
    this.#pause ??= new AbortController();
    this.#progress.hold();
  }

  resume(): void {
    this.#pause?.abort();
    this.#pause = undefined;
    this.#progress.goOn();
  }

  positionOf(): Told | undefined {
    return this.#position;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#pause?.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (this.#position === undefined) await this.#reach();
      else if (this.#pause !== undefined) await this.#rest(this.#position, this.#pause.signal);
      else this.#take(await this.#read(this.#position));
      if (this.#retryMs > RETRY_MS_MIN) await this.#waitToRetry();
    }
  }

  async #reach(): Promise<void> {
    const bounds = await this.#inTime(this.#options.log.bounds(this.partition), 0);
    // Another tail may have gone on meanwhile: an answer of before would set its followers back.
    if (this.#stop.signal.aborted) return;
    if (bounds.kind === "unavailable") return this.#backOff();
    const offset = this.#origin === "end" ? bounds.endOffset : bounds.startOffset;
    this.#progress.heard(bounds.endOffset);
    this.#goOnAt(told(bounds.epoch, this.partition, offset));
  }

  /** The look is not waited for: going on must not depend on a log that does not answer. */
  #rest(at: Told, resumed: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    this.#retryMs = RETRY_MS_MIN;
    void log.bounds(this.partition).then((bounds) => {
      const isSame = bounds.kind === "bounds" && bounds.epoch === at.epoch;
      if (isSame) this.#progress.heard(bounds.endOffset);
    });
    return delay(clock, PAUSED_LOOK_MS, resumed);
  }

  #read(from: Told): Promise<ReadOutcome> {
    const { log, limits, pollMs = LONG_POLL_MS } = this.#options;
    const waitMs = this.stalledMs >= STANDSTILL_MS ? 0 : pollMs;
    const reading = log.readFrom({
      partition: this.partition,
      offset: from.offset,
      epoch: from.epoch,
      waitMs,
      bytesMax: limits.readBytes,
    });
    return this.#inTime(reading, waitMs);
  }

  /** What is asked of the log never ends later than it should: it is given up then. */
  async #inTime<Outcome>(asked: Promise<Outcome>, waitMs: number): Promise<Outcome | Unavailable> {
    const { clock, logger } = this.#options;
    try {
      return await within(clock, waitMs + READ_GRACE_MS, asked);
    } catch (cause) {
      const why = messageOf(cause);
      logger.warn({ partition: this.partition, why }, "the log is asked again");
      this.#boundsMs = Number.NEGATIVE_INFINITY;
      return { kind: "unavailable", why };
    }
  }

  #take(outcome: ReadOutcome): void {
    if (this.#stop.signal.aborted || this.#pause !== undefined) return;
    if (outcome.kind !== "beyond-end") this.#beyondEndSinceMs = undefined;
    switch (outcome.kind) {
      case "chunk":
        this.#retryMs = RETRY_MS_MIN;
        this.#progress.heard(outcome.endOffset);
        this.#handOn(outcome);
        if (outcome.next === this.#position?.offset) return this.#nothing();
        return this.#moveTo(told(outcome.epoch, this.partition, outcome.next));
      case "below-start":
        return this.#break(outcome.kind, this.#at(outcome.startOffset));
      case "beyond-end":
        this.#progress.forgetEnd();
        this.#progress.heard(outcome.endOffset);
        return this.#beyondEnd(outcome.endOffset);
      case "other-epoch":
        return this.#otherEpoch(outcome.epoch);
      case "unavailable":
        this.#askBounds();
        return this.#backOff();
    }
  }

  #nothing(): void {
    this.#askBounds();
    // Without a long poll it would be asked again at once.
    if (this.stalledMs >= STANDSTILL_MS) this.#backOff();
  }

  /** On another way than the reading, which may be the one that is broken. */
  #askBounds(): void {
    const { clock, log } = this.#options;
    const nowMs = clock.nowMs();
    if (nowMs - this.#boundsMs < BOUNDS_EVERY_MS) return;
    this.#boundsMs = nowMs;
    void log.bounds(this.partition).then((bounds) => {
      const isSame = bounds.kind === "bounds" && bounds.epoch === this.#position?.epoch;
      if (isSame) this.#progress.ends(bounds.endOffset);
    });
  }

  #handOn(chunk: LogChunk): void {
    const { followers = [], hubs } = this.#options;
    for (const follower of followers) follower.passed(chunk);
    hubs.take(chunk);
  }

  /** A new leader may not know its end yet: it is asked for a while before the tail believes it. */
  #beyondEnd(endOffset: bigint): void {
    const { clock, limits } = this.#options;
    this.#beyondEndSinceMs ??= clock.nowMs();
    this.#backOff();
    if (clock.nowMs() - this.#beyondEndSinceMs < limits.truncationPatienceMs) return;
    this.#beyondEndSinceMs = undefined;
    this.#break("beyond-end", this.#at(endOffset));
  }

  /** From the first record of the new incarnation on: none of it was handed to anybody here. */
  #otherEpoch(epoch: Epoch): void {
    this.#origin = "start";
    this.#progress.forgetEnd();
    const start = told(epoch.id, this.partition, 0n);
    this.#break("other-epoch", this.partition < epoch.partitions ? start : undefined);
  }

  #at(offset: bigint): Told | undefined {
    return this.#position && told(this.#position.epoch, this.partition, offset);
  }

  #break(why: string, next: Told | undefined): void {
    const { logger, hubs } = this.#options;
    const fields = { partition: this.partition, from: this.#position?.text, next: next?.text };
    logger.warn({ ...fields, why }, "tail jumps");
    // First the place where the tail goes on: who falls behind may look for a new hub at once.
    this.#moveTo(undefined);
    if (next !== undefined) this.#goOnAt(next);
    hubs.break(this.partition);
  }

  #moveTo(position: Told | undefined): void {
    this.#position = position;
    this.#progress.at(position?.offset);
  }

  #goOnAt(position: Told): void {
    this.#moveTo(position);
    this.#runStart = position;
    for (const follower of this.#options.followers ?? []) follower.began(this.partition, position);
    this.#retryMs = RETRY_MS_MIN;
  }

  #backOff(): void {
    this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
  }

  #waitToRetry(): Promise<void> {
    const { clock } = this.#options;
    return delay(clock, this.#retryMs, this.#stop.signal);
  }
}
