import { type Log, type LogChunk, type ReadOutcome, recordsOf } from "@millrace/log";
import { type Clock, type Logger, assert, delay } from "@millrace/runtime";
import type { GapReason } from "@millrace/schemas";
import type { Outbox } from "../connection/outbox.ts";
import type { Ground, MessageFinder } from "../finding/message-finder.ts";
import type { Hub } from "../hub/hub.ts";
import type { Hubs } from "../hub/hubs.ts";
import type { Subscriber } from "../hub/subscriber.ts";
import { type Told, isBefore, told } from "../hub/told.ts";
import type { EdgeLimits } from "../limits.ts";
import type { EdgeMetrics } from "../metrics.ts";
import type { Tails } from "../tail/tails.ts";
import { FrameShelf } from "./frame-shelf.ts";
import { Helpings } from "./helpings.ts";
import { gapFrame, liveFrame } from "./tell-frames.ts";
import type { TurnGate } from "./turn-gate.ts";

const RETRY_MS = 250;

export interface CatchUpOptions {
  readonly log: Log;
  readonly finder: MessageFinder;
  readonly hubs: Hubs;
  readonly tails: Tails;
  readonly clock: Clock;
  readonly gate: TurnGate;
  readonly limits: EdgeLimits;
  readonly logger: Logger;
  readonly metrics: EdgeMetrics;
}

/** How far the log has been read for one subscriber, beyond what it was told. */
interface Progress {
  cursor: Told;
  rewinds: number;
  /** The log has answered for the cursor's place; a client's own word is not enough to join. */
  isConfirmed: boolean;
  beyondEndSinceMs: number | undefined;
}

/**
 * Reads the log for one subscriber from what it was told until it may join the hub: after a
 * subscribe, a slow socket, a break of the tail. One loop per subscriber that is catching up.
 *
 * Invariant: every message of the conversation between `told` and `cursor` has been queued, or
 * covered by a gap. The loop checks the hub and joins in one synchronous step, so no message can
 * fall between the last one read and the first one live. A helping is at most `catchUpBytes`; the
 * next waits until the socket has taken it, so that the reader sets the pace, and conversations of
 * one connection take turns.
 */
export class CatchUp {
  readonly #options: CatchUpOptions;
  /** Those that were live once: when they come again they have fallen behind. */
  readonly #joined = new WeakSet<Subscriber>();
  /** The turns at each socket; those of a connection that is gone go with it. */
  readonly #helpings = new WeakMap<Outbox, Helpings>();
  readonly #frames: FrameShelf;
  #running = 0;
  #lagging = 0;

  constructor(options: CatchUpOptions) {
    this.#options = options;
    this.#frames = new FrameShelf(options.limits.replayedBytesMax);
  }

  /** Subscribers that are being fed. */
  get running(): number {
    return this.#running;
  }

  /** Those of them that were live before. */
  get lagging(): number {
    return this.#lagging;
  }

  /** Whether it was live before, and has fallen behind since. */
  isLagging(subscriber: Subscriber): boolean {
    return subscriber.state === "catching-up" && this.#joined.has(subscriber);
  }

  /** Never rejects: what the log can't say at the moment is asked again until the socket ends. */
  async run(subscriber: Subscriber, outbox: Outbox): Promise<void> {
    const lagging = this.#joined.has(subscriber) ? 1 : 0;
    this.#running += 1;
    this.#lagging += lagging;
    try {
      await this.#run(subscriber, outbox);
    } finally {
      this.#running -= 1;
      this.#lagging -= lagging;
    }
  }

  async #run(subscriber: Subscriber, outbox: Outbox): Promise<void> {
    const progress = this.#progressFrom(subscriber);
    const helpings = this.#helpingsOf(outbox);
    for (let isDone = false; !isDone;) {
      const helping = await helpings.next();
      const waitMs = await this.#help(subscriber, progress);
      isDone = waitMs === undefined;
      // Before any wait: others can go on while this one's partition can't be read.
      helping.end();
      if (waitMs) await delay(this.#options.clock, waitMs);
    }
  }

  /** One helping. How long to wait before the next; undefined: it has joined, or ended. */
  async #help(subscriber: Subscriber, progress: Progress): Promise<number | undefined> {
    await this.#options.gate.turn();
    if (subscriber.isEnded) return undefined;
    if (progress.rewinds !== subscriber.rewinds) {
      Object.assign(progress, this.#progressFrom(subscriber));
    }
    if (!this.#passForbidden(subscriber, progress)) return 0;
    if (this.#tryJoin(subscriber, progress)) return undefined;
    const outcome = await this.#read(subscriber, progress);
    if (subscriber.isEnded) return undefined;
    const waitMs = outcome === undefined ? 0 : await this.#take(outcome, subscriber, progress);
    if (subscriber.isEnded) return undefined;
    const isOver = this.#passForbidden(subscriber, progress) && this.#tryJoin(subscriber, progress);
    return isOver ? undefined : waitMs;
  }

  #helpingsOf(outbox: Outbox): Helpings {
    let helpings = this.#helpings.get(outbox);
    if (helpings === undefined) {
      helpings = new Helpings(outbox, this.#options.clock);
      this.#helpings.set(outbox, helpings);
    }
    return helpings;
  }

  #progressFrom(subscriber: Subscriber): Progress {
    return {
      cursor: subscriber.told,
      rewinds: subscriber.rewinds,
      isConfirmed: false,
      beyondEndSinceMs: undefined,
    };
  }

  /**
   * What stands before the rights begin is neither read nor joined: the gap comes first. False: the
   * socket can't take it now. Rights that change meanwhile make another subscriber.
   */
  #passForbidden(subscriber: Subscriber, progress: Progress): boolean {
    const { beginning } = subscriber;
    if (beginning === undefined || !isBefore(progress.cursor, beginning)) return true;
    return this.#gap(subscriber, progress, { reason: "forbidden", to: beginning });
  }

  /** The seam between history and live: check, `live` and join are one step. */
  #tryJoin(subscriber: Subscriber, progress: Progress): boolean {
    const { tails, hubs } = this.#options;
    const tail = tails.positionOf(subscriber.conversation);
    if (tail === undefined || progress.rewinds !== subscriber.rewinds) return false;
    const hub = hubs.current(subscriber, tail);
    if (subscriber.isSkipping) this.#skip(subscriber, progress, hub);
    if (!this.#isThere(progress, hub, tail)) return false;
    const queued = subscriber.queued;
    const position = queued.offset > hub.last.offset ? queued : hub.last;
    if (!subscriber.tell(position, liveFrame(subscriber.conversation, position))) return false;
    subscriber.join(hub);
    this.#joined.add(subscriber);
    return true;
  }

  #isThere({ cursor, isConfirmed }: Progress, hub: Hub, tail: Told): boolean {
    if (cursor.epoch !== hub.last.epoch || cursor.partition !== hub.partition) return false;
    if (!isConfirmed && cursor.offset > tail.offset) return false;
    return cursor.offset >= hub.last.offset;
  }

  #skip(subscriber: Subscriber, progress: Progress, hub: Hub): void {
    const { last } = hub;
    const { cursor } = progress;
    const isSame = cursor.epoch === last.epoch && cursor.partition === last.partition;
    const missed = isSame
      ? this.#options.finder.countNow(groundOf(subscriber, cursor), cursor.offset, last.offset)
      : undefined;
    const gap = { reason: "skipped", to: last, missed } as const;
    if (missed === 0) progress.cursor = last.offset > cursor.offset ? last : cursor;
    else if (!this.#gap(subscriber, progress, gap)) return;
    subscriber.skipped();
  }

  /** Undefined: nothing stood there, and the cursor has passed it without a read. */
  async #read(subscriber: Subscriber, progress: Progress): Promise<ReadOutcome | undefined> {
    const { log, tails, finder } = this.#options;
    const { cursor } = progress;
    const { epoch } = log;
    // A position of an incarnation that was not known yet when it was accepted may name a partition
    // that the conversation is not in: nothing behind it would ever come.
    const isMisplaced = cursor.partition !== tails.partitionOf(subscriber.conversation);
    if (epoch?.id === cursor.epoch && isMisplaced) return { kind: "other-epoch", epoch };
    const tail = tails.position(cursor.partition);
    const isBehind = tail?.epoch === cursor.epoch && cursor.offset < tail.offset;
    if (!isBehind) return finder.read(cursor, finder.at(cursor.offset));
    const range = await finder.forward(groundOf(subscriber, cursor), cursor.offset, tail.offset);
    if (range.from > cursor.offset) {
      progress.cursor = told(cursor.epoch, cursor.partition, range.from);
      // It is the index that says so: should the log have lost its end since, the tail knows first.
      progress.isConfirmed = false;
    }
    return range.from === range.upTo ? undefined : finder.read(cursor, range);
  }

  /** How long to wait before the next read. */
  async #take(outcome: ReadOutcome, subscriber: Subscriber, progress: Progress): Promise<number> {
    if (outcome.kind !== "beyond-end") progress.beyondEndSinceMs = undefined;
    switch (outcome.kind) {
      case "chunk":
        if (this.#isHeldBack(outcome, subscriber)) return RETRY_MS;
        await this.#options.gate.run(() => this.#takeChunk(outcome, subscriber, progress));
        // At the end and still behind the hub: the log lost its tail, and the tail will notice.
        return outcome.next === outcome.from ? RETRY_MS : 0;
      case "below-start":
        return this.#belowStart(outcome.startOffset, subscriber, progress);
      case "beyond-end":
        return this.#beyondEnd(outcome.endOffset, subscriber, progress);
      case "other-epoch":
        return this.#otherEpoch(subscriber, progress);
      case "unavailable":
        return RETRY_MS;
    }
  }

  /** The partition is paused in another incarnation: of this one nothing was handed on here yet. */
  #isHeldBack({ epoch }: LogChunk, { conversation }: Subscriber): boolean {
    const held = this.#options.tails.pausedAt(conversation);
    return held !== undefined && held.epoch !== epoch;
  }

  /** Queues one helping; what is left of the chunk is read again, from the cache. */
  #takeChunk(chunk: LogChunk, subscriber: Subscriber, progress: Progress): void {
    const { epoch, partition } = chunk;
    const { conversation } = subscriber;
    const place = { epoch, partition, conversation };
    let bytes = 0;
    // It may have ended while it waited for its time.
    if (subscriber.isEnded) return;
    progress.isConfirmed = true;
    const upTo = this.#endOf(chunk, subscriber, progress);
    for (const record of recordsOf(chunk, conversation)) {
      if (record.offset >= upTo) break;
      const frame = this.#frames.of(record, place);
      if (frame === undefined) continue;
      const encoded = frame.encode(subscriber.queued.text);
      if (!subscriber.tell(frame.told, encoded)) return;
      progress.cursor = frame.told;
      bytes += encoded.length;
      if (bytes >= this.#options.limits.catchUpBytes) return;
    }
    progress.cursor = told(epoch, partition, upTo);
  }

  /** A paused partition has no history beyond the place where its delivery stands. */
  #endOf(chunk: LogChunk, { conversation }: Subscriber, { cursor }: Progress): bigint {
    const held = this.#options.tails.pausedAt(conversation);
    if (held === undefined || held.offset >= chunk.next) return chunk.next;
    return held.offset > cursor.offset ? held.offset : cursor.offset;
  }

  /** Retention has passed the cursor; where nothing of the conversation was lost there is no gap. */
  async #belowStart(offset: bigint, subscriber: Subscriber, progress: Progress): Promise<number> {
    const { cursor } = progress;
    const ground = groundOf(subscriber, cursor);
    const missed = await this.#options.finder.count(ground, cursor.offset, offset);
    if (subscriber.isEnded) return 0;
    const start = told(cursor.epoch, cursor.partition, offset);
    if (missed === 0) progress.cursor = start;
    else this.#gap(subscriber, progress, { reason: "expired", to: start, missed });
    return 0;
  }

  /** A new leader may not know its end yet, so the log's word is taken only after a while. */
  #beyondEnd(end: bigint, subscriber: Subscriber, progress: Progress): number {
    const { clock, limits } = this.#options;
    progress.beyondEndSinceMs ??= clock.nowMs();
    if (clock.nowMs() - progress.beyondEndSinceMs < limits.truncationPatienceMs) {
      return RETRY_MS;
    }
    const { epoch, partition } = progress.cursor;
    // What was lost is only what had been read and held no message: nothing told is missing.
    if (subscriber.queued.offset <= end) progress.cursor = subscriber.queued;
    else this.#gap(subscriber, progress, { reason: "truncated", to: told(epoch, partition, end) });
    return 0;
  }

  async #otherEpoch(subscriber: Subscriber, progress: Progress): Promise<number> {
    const { log, tails } = this.#options;
    const partition = tails.partitionOf(subscriber.conversation);
    assert(partition !== undefined, "an epoch is known once the log has answered");
    const bounds = await log.bounds(partition);
    if (bounds.kind === "unavailable") return RETRY_MS;
    // The answer may tell of yet another incarnation, in which the partition is another one too.
    if (subscriber.isEnded || partition !== tails.partitionOf(subscriber.conversation)) return 0;
    const { cursor } = progress;
    if (bounds.epoch === cursor.epoch && partition === cursor.partition) return 0;
    const start = told(bounds.epoch, partition, bounds.startOffset);
    this.#gap(subscriber, progress, { reason: "recreated", to: start });
    return 0;
  }

  /** Tells the exact range that will not come; delivery goes on behind it. */
  #gap(subscriber: Subscriber, progress: Progress, gap: Gap): boolean {
    const { conversation, queued } = subscriber;
    const { logger, metrics } = this.#options;
    const { reason, to, missed } = gap;
    const frame = gapFrame({ conversation, after: queued, to, reason, missed });
    if (!subscriber.tell(to, frame)) return false;
    metrics.gaps.inc({ reason });
    logger.info({ after: queued.text, pos: to.text, reason, missed }, "gap");
    progress.cursor = to;
    progress.isConfirmed = true;
    return true;
  }
}

/** A range that will not come, from what was queued to `to`. */
interface Gap {
  readonly reason: GapReason;
  readonly to: Told;
  /** How many messages stood there; undefined: not known. */
  readonly missed?: number | undefined;
}

function groundOf({ conversation }: Subscriber, { epoch, partition }: Told): Ground {
  return { epoch, partition, conversation };
}
