import { hash, randomBytes } from "node:crypto";

/** What makes two publishes the same one: docs/protocol.md §3, `key`. */
export interface PublishId {
  readonly conversation: string;
  readonly sender: string;
  readonly key: string;
}

/** 22 characters of base64url: 132 bits, which nobody brings to collide. */
const NAME_LENGTH = 22;

/** Unknown outside, so that nobody can choose keys whose hashes meet. */
const SEED = randomBytes(4).readUInt32LE(0);

const HIGH_BITS = 2 ** 21;
const LOW_RANGE = 2 ** 32;

/** A short text for it, the same on every edge. */
export function nameOfPublish({ conversation, sender, key }: PublishId): string {
  // JSON keeps the parts apart whatever they contain.
  const text = JSON.stringify([conversation, sender, key]);
  return hash("sha256", text, "base64url").slice(0, NAME_LENGTH);
}

/**
 * A number of 53 bits for it, never 0, for this process alone. Two different publishes may have the
 * same one: whoever finds it looks at the record. (Two 32-bit multiplicative lanes over the UTF-16
 * units, with the final mix of MurmurHash3.)
 */
export function hashOfPublish({ conversation, sender, key }: PublishId): number {
  const lanes: Lanes = { low: SEED, high: ~SEED };
  for (const part of [conversation, sender, key]) {
    for (let index = 0; index < part.length; index++) take(lanes, part.charCodeAt(index));
    // No text has this unit, so that "ab","c" and "a","bc" differ.
    take(lanes, 0x1_0000);
  }
  const mixed = (mix(lanes.high) % HIGH_BITS) * LOW_RANGE + mix(lanes.low);
  return mixed === 0 ? 1 : mixed;
}

interface Lanes {
  low: number;
  high: number;
}

function take(lanes: Lanes, unit: number): void {
  lanes.low = Math.imul(lanes.low ^ unit, 0x9e37_79b1);
  lanes.high = Math.imul(lanes.high ^ unit, 0x85eb_ca6b) + (lanes.low >>> 16);
}

function mix(lane: number): number {
  let bits = lane ^ (lane >>> 16);
  bits = Math.imul(bits, 0x85eb_ca6b);
  bits ^= bits >>> 13;
  bits = Math.imul(bits, 0xc2b2_ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
