import type { LogChunk, LogRecord } from "@millrace/log";
import type { Clock, Timer } from "@millrace/runtime";
import type { EpochId } from "@millrace/schemas";
import type { Told } from "../hub/told.ts";
import type { TailFollower } from "../tail/partition-tail.ts";
import { RELAY_BUCKETS, bucketOf, channelOf } from "./relay-bucket.ts";
import { encodePiece } from "./relay-piece.ts";

/** How the pieces leave: see `RelayPost`. */
export interface PiecePost {
  /**
   * How many edges heard it; undefined where that is not known, and then it may be lost. Never
   * rejects, and takes a bounded number of bytes at a time: what is beyond is lost at once.
   */
  post(channel: string, piece: Buffer): Promise<number | undefined>;
}

export interface RelaySenderOptions {
  readonly topic: string;
  /** Of this life of the edge: no other has it. */
  readonly incarnation: string;
  readonly post: PiecePost;
  readonly clock: Clock;
  /** Whether the log of the partition is being heard: who is cut off from it has nothing to say. */
  readonly isHeard: (partition: number) => boolean;
}

/** What a receiver can be silent about: it is a quarter of what it waits before it reads the log. */
export const HEARTBEAT_MS = 250;

/** After it was given away a partition is relayed on, until its new owner surely does. */
const OVERLAP_MS = 5_000;

interface Bucket {
  readonly channel: string;
  /** Everything before it was said on the channel, or is left for the receivers to read. */
  said: bigint;
  /** Whether anybody heard the last piece; without listeners no records are sent. */
  isHeard: boolean;
  saidMs: number;
}

interface Run {
  readonly epoch: EpochId;
  readonly name: string;
  readonly buckets: readonly Bucket[];
  watermark: bigint;
}

/** The only header that whoever delivers a record needs; others may be of any size. */
const RELAYED_HEADER = "traceparent";
const RELAYED_BYTES_MAX = 256;

/**
 * The owner's side of the relay: says in each bucket's channel what its partition's tail has passed,
 * and at least every `HEARTBEAT_MS` how far that is.
 *
 * Invariant: a piece [base, next) holds every record of its bucket in that range. So where records
 * were not sent, `said` jumps over them, and the next piece's `base` tells each receiver that
 * something is missing: that holds for a channel nobody heard, and for what Redis did not take.
 */
export class RelaySender implements TailFollower {
  readonly #options: RelaySenderOptions;
  readonly #owned = new Set<number>();
  /** Given away, and until when they are relayed on. */
  readonly #leaving = new Map<number, Timer>();
  readonly #runs = new Map<number, Run>();
  #runCount = 0;
  #heartbeat: Timer | undefined;

  constructor(options: RelaySenderOptions) {
    this.#options = options;
  }

  start(): void {
    this.#heartbeat = this.#options.clock.after(HEARTBEAT_MS, () => {
      this.#beat();
      this.start();
    });
  }

  stop(): void {
    this.#heartbeat?.cancel();
    for (const timer of this.#leaving.values()) timer.cancel();
    this.#leaving.clear();
    this.#owned.clear();
  }

  /** From now on these are this edge's to relay, and those that were, for a while longer. */
  own(owned: ReadonlySet<number>): void {
    for (const partition of this.#owned) {
      if (owned.has(partition)) continue;
      this.#owned.delete(partition);
      const timer = this.#options.clock.after(OVERLAP_MS, () => this.#leaving.delete(partition));
      this.#leaving.set(partition, timer);
    }
    for (const partition of owned) {
      this.#leaving.get(partition)?.cancel();
      this.#leaving.delete(partition);
      this.#owned.add(partition);
    }
  }

  isRelaying(partition: number): boolean {
    return this.#owned.has(partition) || this.#leaving.has(partition);
  }

  /** The tail begins, or jumps: another run, whose name makes receivers look at the log. */
  began(partition: number, { epoch, offset }: Told): void {
    const { topic, incarnation, clock } = this.#options;
    this.#runCount += 1;
    const buckets = Array.from({ length: RELAY_BUCKETS }, (_, bucket) => ({
      channel: channelOf(topic, partition, bucket),
      said: offset,
      isHeard: true,
      saidMs: clock.nowMs() - HEARTBEAT_MS,
    }));
    const name = `${incarnation}.${this.#runCount}`;
    this.#runs.set(partition, { epoch, name, buckets, watermark: offset });
  }

  /** The log has jumped to nowhere: the partition is no more. */
  ended(partition: number): void {
    this.#runs.delete(partition);
  }

  passed({ partition, epoch, next, records }: LogChunk): void {
    const run = this.#runs.get(partition);
    if (run === undefined || run.epoch !== epoch) return;
    run.watermark = next;
    if (!this.isRelaying(partition)) return this.#leaveToOthers(run);
    for (const [bucket, found] of byBucket(records)) {
      const { isHeard } = bucketAt(run, bucket);
      if (isHeard) this.#say(run, bucketAt(run, bucket), found);
      else bucketAt(run, bucket).said = next;
    }
  }

  #beat(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [partition, run] of this.#runs) {
      if (!this.isRelaying(partition) || !this.#options.isHeard(partition)) continue;
      for (const bucket of run.buckets) {
        if (nowMs - bucket.saidMs >= HEARTBEAT_MS) this.#say(run, bucket, []);
      }
    }
  }

  /** Whoever owns the partition says it; what was not said here is never claimed. */
  #leaveToOthers(run: Run): void {
    for (const bucket of run.buckets) bucket.said = run.watermark;
  }

  #say(run: Run, bucket: Bucket, records: readonly LogRecord[]): void {
    const { epoch, name, watermark } = run;
    const piece = encodePiece({ epoch, run: name, base: bucket.said, next: watermark, records });
    bucket.said = watermark;
    bucket.saidMs = this.#options.clock.nowMs();
    void this.#options.post.post(bucket.channel, piece).then((heard) => {
      bucket.isHeard = heard === undefined || heard > 0;
    });
  }
}

function bucketAt(run: Run, index: number): Bucket {
  const bucket = run.buckets[index];
  if (bucket === undefined) throw new RangeError(`bucket ${index}`);
  return bucket;
}

function byBucket(records: readonly LogRecord[]): Map<number, LogRecord[]> {
  const found = new Map<number, LogRecord[]>();
  for (const record of records) {
    // Without a key it is nobody's conversation.
    if (record.key === null) continue;
    const bucket = bucketOf(record.key);
    const relayed = slim(record);
    const others = found.get(bucket);
    if (others === undefined) found.set(bucket, [relayed]);
    else others.push(relayed);
  }
  return found;
}

/** A record may read its fields when they are asked for, so that it can't be copied as a whole. */
function slim({ offset, timestampMs, key, value, headers }: LogRecord): LogRecord {
  const trace = headers.find(
    (header) => header.name === RELAYED_HEADER && header.value.length <= RELAYED_BYTES_MAX,
  );
  return { offset, timestampMs, key, value, headers: trace === undefined ? [] : [trace] };
}
