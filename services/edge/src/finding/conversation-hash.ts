/** Bits of a hash; with the offset inside a block it fits a double. */
const HASH_BITS = 40;
const LOW_RANGE = 2 ** 32;
const HIGH_RANGE = 2 ** (HASH_BITS - 32);

/**
 * A number of 40 bits for a record's key, the same on every edge, for it is stored. Two conversations
 * may share one (of the 8,192 at most in a block with a given one: 1 in 10^8): that costs a read, in
 * which the keys are compared. (Two 32-bit multiplicative lanes with the final mix of MurmurHash3.)
 */
export function hashOfKey(key: Uint8Array): number {
  let low = 0x811c_9dc5;
  let high = 0x9747_b28c;
  for (const byte of key) {
    low = Math.imul(low ^ byte, 0x9e37_79b1);
    high = Math.imul(high ^ byte, 0x85eb_ca6b) + (low >>> 16);
  }
  return (mix(high) % HIGH_RANGE) * LOW_RANGE + mix(low);
}

function mix(lane: number): number {
  let bits = lane ^ (lane >>> 16);
  bits = Math.imul(bits, 0x85eb_ca6b);
  bits ^= bits >>> 13;
  bits = Math.imul(bits, 0xc2b2_ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
