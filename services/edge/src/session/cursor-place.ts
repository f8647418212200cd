import { type EpochId, partitionOf, percentEncode } from "@millrace/schemas";
import { type CursorKey, holderName } from "@millrace/schemas/record";

/** Users are spread over so many groups, each on one node of a Redis Cluster. */
export const CURSOR_BUCKETS = 16;

/**
 * The hash of a device's or session's cursors. Encoded ids hold neither colons nor braces, and
 * device names and session ids hold no colon, so no two holders share one.
 */
export function cursorHash(epoch: EpochId, { user, holder }: CursorKey): string {
  return `${prefixOf(epoch, bucketOf(user))}:${percentEncode(user)}:${holderName(holder)}`;
}

export function markerOf(epoch: EpochId, user: string): string {
  return markerAt(epoch, bucketOf(user));
}

export function markerAt(epoch: EpochId, bucket: number): string {
  return `${prefixOf(epoch, bucket)}:whole`;
}

export function builderAt(epoch: EpochId, bucket: number): string {
  return `${prefixOf(epoch, bucket)}:builder`;
}

function bucketOf(user: string): number {
  return partitionOf(Buffer.from(user), CURSOR_BUCKETS);
}

/** Keys belong to one incarnation of the topic of cursors; a Redis of other products has none. */
function prefixOf(epoch: EpochId, bucket: number): string {
  return `mr:cursor:{${epoch}.${bucket}}`;
}
