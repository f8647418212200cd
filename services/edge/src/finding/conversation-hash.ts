import { TwoLanes } from "@millrace/runtime";

/** Bits of a hash; with the offset inside a block it fits a double. */
const HASH_BITS = 40;

/**
 * A number of 40 bits for a record's key, the same on every edge, for it is stored. Two conversations
 * may share one (of the 8,192 at most in a block with a given one: 1 in 10^8): that costs a read, in
 * which the keys are compared.
 */
export function hashOfKey(key: Uint8Array): number {
  const lanes = new TwoLanes(0x811c_9dc5, 0x9747_b28c);
  for (const byte of key) lanes.take(byte);
  return lanes.value(HASH_BITS);
}
