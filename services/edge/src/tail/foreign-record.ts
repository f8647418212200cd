import type { LogRecord } from "@millrace/log";
import { partitionOf } from "@millrace/schemas";
import { decodeMessage } from "@millrace/schemas/record";

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Why a record is no message of ours, for all to see and not only where somebody has subscribed to
 * what it claims to be. Our own writers' records have a header that says so, and are not looked at
 * twice: undefined, as for a foreign one that is in order.
 */
export function foreignnessOf(
  { key, value, headers }: LogRecord,
  place: { readonly partition: number; readonly partitions: number },
): string | undefined {
  if (headers.some(({ name }) => name === "edge")) return undefined;
  if (key === null) return "no key";
  if (!isText(key)) return "key is not UTF-8";
  // Delivered, it would stand beside the conversation's own partition, without any order.
  if (partitionOf(key, place.partitions) !== place.partition) return "key of another partition";
  if (value === null) return "no value";
  const decoded = decodeMessage(value);
  return decoded.kind === "undecodable" ? decoded.why : undefined;
}

function isText(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    // No conversation of ours has such an id.
    return false;
  }
}
