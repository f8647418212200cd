import type { Told } from "../hub/told.ts";
import { BucketMark } from "./bucket-mark.ts";

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
