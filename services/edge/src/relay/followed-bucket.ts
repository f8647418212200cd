import type { LogRecord } from "@millrace/log";
import { type Told, told } from "../hub/told.ts";
import { BucketMark, type Piece } from "./bucket-mark.ts";
import { bucketOf } from "./relay-bucket.ts";

/** A bucket that hears nothing for that long is read from the log. */
const SILENCE_MS = 1_000;

/** One bucket of a partition that has subscribers here. */
export interface FollowedBucket {
  mark: BucketMark;
  /** The owner's run that the last piece was of. */
  run: string | undefined;
  /** When the relay last said something that joins what is covered. */
  relayedMs: number;
  /** The relay said something that does not fit what is covered: only the log can tell. */
  isDoubted: boolean;
  wantedMs: number;
}

/** From there on; of the relay nothing was heard yet. */
export function followedFrom(start: Told, wantedMs: number): FollowedBucket {
  return {
    mark: new BucketMark(start.epoch, start.offset),
    run: undefined,
    relayedMs: Number.NEGATIVE_INFINITY,
    isDoubted: false,
    wantedMs,
  };
}

/** Whether the log has to be read for it. */
export function isNeedy({ relayedMs, isDoubted }: FollowedBucket, nowMs: number): boolean {
  return isDoubted || nowMs - relayedMs > SILENCE_MS;
}

/** How many offsets the bucket that is furthest behind is behind that end. */
export function lagOf(buckets: Iterable<FollowedBucket>, end: Told): number {
  let lag = 0;
  for (const { mark } of buckets) {
    if (mark.epoch === end.epoch) lag = Math.max(lag, Number(end.offset - mark.covered));
  }
  return lag;
}

/** The lowest place from which the log has to be read; the end, where none needs it. */
export function lowestNeeded(buckets: Iterable<FollowedBucket>, end: Told, nowMs: number): Told {
  let lowest = end;
  for (const followed of buckets) {
    const { mark } = followed;
    if (!isNeedy(followed, nowMs) || mark.epoch !== lowest.epoch) continue;
    if (mark.covered < lowest.offset) lowest = told(mark.epoch, end.partition, mark.covered);
  }
  return lowest;
}

/** The log was read so far: what each bucket that this is news for had covered before. */
export function coverWith(
  buckets: ReadonlyMap<number, FollowedBucket>,
  { epoch, base, next }: Piece,
): ReadonlyMap<number, bigint> {
  const coveredBefore = new Map<number, bigint>();
  for (const [bucket, followed] of buckets) {
    const { mark } = followed;
    const { covered } = mark;
    const verdict = mark.take({ epoch, base, next });
    if (verdict === "taken") coveredBefore.set(bucket, covered);
    // The log has answered for the place that was doubted, or was asked beyond it.
    if (verdict === "beyond") followed.isDoubted = true;
    else if (epoch === mark.epoch && next >= covered) followed.isDoubted = false;
  }
  return coveredBefore;
}

/** Those of the records that the buckets had not covered. */
export function newsIn(
  records: readonly LogRecord[],
  coveredBefore: ReadonlyMap<number, bigint>,
): LogRecord[] {
  return records.filter(({ key, offset }) => {
    const covered = key === null ? undefined : coveredBefore.get(bucketOf(key));
    return covered !== undefined && offset >= covered;
  });
}
