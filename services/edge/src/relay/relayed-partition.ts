import type { LogChunk, LogRecord } from "@millrace/log";
import type { Timer } from "@millrace/runtime";
import { type Told, told } from "../hub/told.ts";
import {
  PartitionTail,
  type TailFollower,
  type TailOptions,
  type TailOrigin,
  type TailSink,
} from "../tail/partition-tail.ts";
import { Endings } from "../tail/endings.ts";
import { PausedReader } from "../tail/paused-reader.ts";
import { resuming } from "../tail/resumed-follower.ts";
import type { PartitionSource } from "../tail/tails.ts";
import { BucketMark, type Piece } from "./bucket-mark.ts";
import { type FollowedBucket, followedFrom, isNeedy } from "./followed-bucket.ts";
import { bucketOf } from "./relay-bucket.ts";
import type { RelayPiece } from "./relay-piece.ts";
import type { RelayReceiver } from "./relay-receiver.ts";
import type { RelaySender } from "./relay-sender.ts";

export interface RelayedPartitionOptions extends TailOptions {
  readonly partition: number;
  readonly origin: TailOrigin;
  readonly hubs: TailSink & {
    /** Whether conversations of that bucket have subscribers. */
    hasIn(partition: number, bucket: number): boolean;
  };
  readonly sender: RelaySender;
  /** Hears only of what is read because `read` asked for it. */
  readonly keys: TailFollower;
  readonly receiver: RelayReceiver;
}

/** For so long every bucket must have been relayed before the log is left alone again. */
const CALM_MS = 1_000;

const CHECK_MS = 100;

/** A bucket without subscribers is followed on for that long. */
const INTEREST_MS = 10_000;

/** Where nobody reads, the log is asked that often how long it is. */
const BOUNDS_MS = 5_000;

/** The log is asked again after that while it is silent: who relays must know that it is heard. */
const POLL_MS = 500;

/** Not heard for so long, the log is out of reach, and nothing can be said of it. */
const DEAF_MS = 1_500;

/** For so long the log is read for the keys after that was last needed. */
const KEYS_MS = 20_000;

/**
 * One partition on an edge that is relayed to: of its buckets those with subscribers are followed.
 * Each has a mark of its own, which relayed pieces and direct reads both move.
 *
 * The log is read directly, from the lowest mark that needs it, while any followed bucket is not
 * relayed (it is new, the relay is silent, a piece is missing, a run of an owner lies lower than
 * what is covered), and always while this edge owns the partition. What is heard twice the marks
 * drop, so that both ways may run side by side for as long as they like.
 *
 * Paused, no mark moves: what is relayed is not taken, and a direct tail stands at the lowest mark, which
 * says how far the log goes and has nothing to relay. When it goes on every bucket has been silent for
 * long, and is read from its own mark, as after any silence.
 */
export class RelayedPartition implements PartitionSource {
  readonly partition: number;
  readonly #options: RelayedPartitionOptions;
  readonly #followed = new Map<number, FollowedBucket>();
  /** The newest place that the log is known to have reached: new buckets begin there. */
  #known: Told | undefined;
  #runStart: Told | undefined;
  #heardMs: number;
  #direct: PartitionTail | undefined;
  readonly #endings = new Endings();
  #isOwner = false;
  /** Whether the present direct tail tells the keys what it reads. */
  #isFed = false;
  #keysUntilMs = Number.NEGATIVE_INFINITY;
  #calmSinceMs: number | undefined;
  #boundsMs: number;
  /** Where the log ended when it was last asked: whatever is followed must be beyond it by the next time. */
  #boundsEnd: Told | undefined;
  #timer: Timer | undefined;
  /** A tail that has begun knows how long the log is before anything comes. */
  readonly #ear: TailFollower = {
    began: (_, position) => this.#knows(position),
    passed: () => undefined,
  };
  #isStopped = false;
  #isPaused = false;
  /** Reads for the keys while it is paused. */
  #reader: PausedReader | undefined;

  constructor(options: RelayedPartitionOptions) {
    this.partition = options.partition;
    this.#options = options;
    this.#heardMs = options.clock.nowMs();
    this.#boundsMs = options.clock.nowMs();
  }

  get position(): Told | undefined {
    return this.#known;
  }

  get runStart(): Told | undefined {
    return this.#runStart;
  }

  get readPosition(): Told | undefined {
    if (this.#isPaused) return this.#reader?.position;
    return this.#isFed ? this.#direct?.position : undefined;
  }

  get lag(): number | undefined {
    const known = this.#known;
    if (known === undefined) return undefined;
    let lag = this.#direct?.lag ?? 0;
    for (const { mark } of this.#followed.values()) {
      if (mark.epoch === known.epoch) lag = Math.max(lag, Number(known.offset - mark.covered));
    }
    return lag;
  }

  /** As far as the log is known to go, less what somebody here still waits for. */
  get nextOffset(): bigint | undefined {
    const end = this.endOffset;
    return end === undefined ? undefined : end - BigInt(this.lag ?? 0);
  }

  get endOffset(): bigint | undefined {
    const known = this.#known?.offset;
    const read = this.#direct?.endOffset;
    return known === undefined || (read !== undefined && read > known) ? read : known;
  }

  /** Where the relay stands still, the log is read. */
  get lagMs(): number {
    return this.#direct?.lagMs ?? 0;
  }

  get silenceMs(): number {
    const silenceMs = this.#options.clock.nowMs() - this.#heardMs;
    return Math.min(silenceMs, this.#direct?.silenceMs ?? silenceMs);
  }

  get stalledMs(): number {
    return this.#direct?.stalledMs ?? 0;
  }

  /** Whether the log is being read here. */
  get isDirect(): boolean {
    return this.#direct !== undefined;
  }

  /** Whether what subscribers want comes by the relay alone. */
  get isRelayed(): boolean {
    return this.#direct === undefined && this.#followed.size > 0;
  }

  /** Whether the log itself answers here, and is read. */
  get isHeard(): boolean {
    return !this.#isPaused && this.#direct !== undefined && this.#direct.silenceMs < DEAF_MS;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  start(): void {
    this.#readDirectly();
    this.#tick();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#endDirect();
    this.#endReader();
    await this.#endings.whenOver();
  }

  own(isOwner: boolean): void {
    this.#isOwner = isOwner;
    if (isOwner) this.#readDirectly();
  }

  read(): void {
    this.#keysUntilMs = this.#options.clock.nowMs() + KEYS_MS;
    if (this.#isFed || this.#isStopped) return;
    if (this.#isPaused) return this.#readPaused();
    // The follower has to hear of a run from its beginning.
    this.#beginDirectAnew();
  }

  pause(): void {
    this.#isPaused = true;
    this.#beginDirectAnew();
  }

  resume(): void {
    this.#isPaused = false;
    this.#endReader();
    this.#beginDirectAnew();
  }

  /** The mark of the key's bucket, which is followed from now on. */
  positionOf(key: Uint8Array): Told | undefined {
    const start = this.position;
    if (start === undefined) return undefined;
    const { mark } = this.#follow(bucketOf(key), start);
    return told(mark.epoch, this.partition, mark.covered);
  }

  relayed(bucket: number, piece: RelayPiece): void {
    const followed = this.#followed.get(bucket);
    if (followed === undefined || this.#isStopped || this.#isPaused) return;
    const nowMs = this.#options.clock.nowMs();
    const { covered } = followed.mark;
    const verdict = followed.mark.take(piece);
    // A log that lost its end goes on lower, in another run of its owner.
    const isLower = piece.run !== followed.run && piece.next < covered;
    followed.run = piece.run;
    if (verdict === "beyond" || verdict === "foreign" || isLower) followed.isDoubted = true;
    else followed.relayedMs = nowMs;
    if (verdict !== "taken") return followed.isDoubted ? this.#readDirectly() : undefined;
    followed.isDoubted = false;
    this.#knows(told(piece.epoch, this.partition, piece.next));
    const news = piece.records.filter(({ offset }) => offset >= covered);
    this.#handOn(piece, news, piece.next);
  }

  #tick(): void {
    this.#timer = this.#options.clock.after(CHECK_MS, () => {
      this.#check();
      this.#tick();
    });
  }

  #follow(bucket: number, start: Told): FollowedBucket {
    const { clock, receiver } = this.#options;
    let followed = this.#followed.get(bucket);
    if (followed === undefined) {
      followed = followedFrom(start, clock.nowMs());
      this.#followed.set(bucket, followed);
      receiver.follow(this.partition, bucket);
      this.#readDirectly();
    }
    followed.wantedMs = clock.nowMs();
    return followed;
  }

  #check(): void {
    const { clock, hubs, receiver, sender } = this.#options;
    const nowMs = clock.nowMs();
    // Who relays on for a while after it has given the partition away must read on, too.
    const isRelaying = this.#isOwner || sender.isRelaying(this.partition);
    let isNeeded = isRelaying || this.#known === undefined || nowMs < this.#keysUntilMs;
    isNeeded ||= this.#isPaused;
    for (const [bucket, followed] of this.#followed) {
      if (hubs.hasIn(this.partition, bucket)) followed.wantedMs = nowMs;
      if (nowMs - followed.wantedMs > INTEREST_MS) {
        // A mark that nobody keeps must never be joined again.
        this.#followed.delete(bucket);
        receiver.unfollow(this.partition, bucket);
      } else isNeeded ||= isNeedy(followed, nowMs);
    }
    if (isNeeded) this.#readDirectly();
    this.#calmSinceMs = isNeeded ? undefined : (this.#calmSinceMs ?? nowMs);
    if (nowMs - (this.#calmSinceMs ?? nowMs) >= CALM_MS) this.#endDirect();
    if (this.#direct === undefined && nowMs - this.#boundsMs >= BOUNDS_MS) void this.#askBounds();
  }

  /** So that a new bucket need not read all that has come since somebody last listened. */
  async #askBounds(): Promise<void> {
    const { log, clock } = this.#options;
    this.#boundsMs = clock.nowMs();
    const bounds = await log.bounds(this.partition);
    if (bounds.kind === "unavailable" || this.#isStopped) return;
    const end = told(bounds.epoch, this.partition, bounds.endOffset);
    const before = this.#boundsEnd;
    this.#boundsEnd = end;
    // Of another incarnation the tail finds out by itself, once there is one.
    if (end.epoch !== this.#known?.epoch) return this.#readDirectly();
    this.#knows(end);
    for (const followed of this.#followed.values()) {
      const { mark } = followed;
      if (before?.epoch !== mark.epoch || mark.covered >= before.offset) continue;
      // What is said of it, if anything, is not the whole.
      followed.isDoubted = true;
    }
  }

  /** From the lowest place that is needed; a tail that is beyond it already begins anew. */
  #readDirectly(): void {
    if (this.#isStopped) return;
    const from = this.#lowestNeeded();
    const at = this.#direct?.position;
    const isLow = at === undefined || from === undefined || at.offset <= from.offset;
    if (this.#direct !== undefined && isLow) return;
    this.#endDirect();
    const { sender, keys, followers = [], origin, clock, ...options } = this.#options;
    this.#isFed = !this.#isPaused && clock.nowMs() < this.#keysUntilMs;
    const others = from === undefined ? followers : followers.map(resuming);
    this.#direct = new PartitionTail(this.partition, from ?? origin, {
      ...options,
      clock,
      pollMs: POLL_MS,
      hubs: { take: (chunk) => this.#take(chunk), break: () => this.#break() },
      followers: [this.#ear, sender, ...others, ...(this.#isFed ? [keys] : [])],
    });
    if (this.#isPaused) this.#direct.pause();
    this.#direct.start();
  }

  #beginDirectAnew(): void {
    this.#endDirect();
    this.#readDirectly();
  }

  #readPaused(): void {
    const { partition } = this;
    const { keys: follower, ...tail } = this.#options;
    const from = this.#known;
    if (from === undefined || this.#reader !== undefined) return;
    this.#reader = new PausedReader({ partition, from, follower, tail, isInformed: false });
  }

  #lowestNeeded(): Told | undefined {
    const nowMs = this.#options.clock.nowMs();
    let lowest = this.#known;
    if (lowest === undefined) return undefined;
    for (const followed of this.#followed.values()) {
      const { mark } = followed;
      if (!isNeedy(followed, nowMs) || mark.epoch !== lowest.epoch) continue;
      if (mark.covered < lowest.offset) lowest = told(mark.epoch, this.partition, mark.covered);
    }
    return lowest;
  }

  #endDirect(): void {
    this.#endings.add(this.#direct?.stop());
    this.#direct = undefined;
    this.#isFed = false;
  }

  #endReader(): void {
    this.#endings.add(this.#reader?.stop());
    this.#reader = undefined;
  }

  #take(chunk: LogChunk): void {
    const { epoch, from: base, next } = chunk;
    const coveredBefore = new Map<number, bigint>();
    for (const [bucket, followed] of this.#followed) {
      const { mark } = followed;
      const { covered } = mark;
      const verdict = mark.take({ epoch, base, next });
      if (verdict === "taken") coveredBefore.set(bucket, covered);
      // The log has answered for the place that was doubted, or was asked beyond it.
      if (verdict === "beyond") followed.isDoubted = true;
      else if (epoch === mark.epoch && next >= covered) followed.isDoubted = false;
    }
    this.#knows(told(epoch, this.partition, next));
    if (coveredBefore.size === 0) return;
    const isNews = ({ key, offset }: LogRecord): boolean => {
      const covered = key === null ? undefined : coveredBefore.get(bucketOf(key));
      return covered !== undefined && offset >= covered;
    };
    this.#handOn({ epoch, base, next }, chunk.records.filter(isNews), chunk.endOffset);
  }

  #handOn({ epoch, base, next }: Piece, records: readonly LogRecord[], endOffset: bigint): void {
    const { partition } = this;
    // The size is for whoever keeps a chunk, and nobody keeps this one.
    const chunk = { epoch, partition, from: base, next, records, bytes: 0, endOffset };
    this.#options.hubs.take(chunk);
  }

  #knows(end: Told): void {
    this.#heardMs = this.#options.clock.nowMs();
    const { origin, followers = [] } = this.#options;
    const known = this.#known;
    // What came before the end that was found at the start is not known.
    if (origin === "start") this.#runStart ??= end;
    if (known !== undefined && (end.epoch !== known.epoch || end.offset <= known.offset)) return;
    this.#known = end;
    for (const follower of followers) follower.reached?.(this.partition, end);
  }

  /** The log has jumped: what the buckets cover is no longer the whole of it. */
  #break(): void {
    const position = this.#direct?.position;
    this.#known = position;
    this.#runStart = position;
    if (position === undefined) this.#forget();
    else {
      for (const followed of this.#followed.values()) {
        followed.mark = new BucketMark(position.epoch, position.offset);
        followed.relayedMs = Number.NEGATIVE_INFINITY;
        followed.isDoubted = false;
      }
    }
    this.#options.hubs.break(this.partition);
  }

  /** The partition is no more. */
  #forget(): void {
    const { sender, receiver } = this.#options;
    sender.ended(this.partition);
    for (const bucket of this.#followed.keys()) receiver.unfollow(this.partition, bucket);
    this.#followed.clear();
  }
}
