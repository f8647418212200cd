import { hash, randomBytes } from "node:crypto";
import { TwoLanes } from "@millrace/runtime";

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

/** The most that a double holds exactly. */
const HASH_BITS = 53;

/** A short text for it, the same on every edge. */
export function nameOfPublish({ conversation, sender, key }: PublishId): string {
  // JSON keeps the parts apart whatever they contain.
  const text = JSON.stringify([conversation, sender, key]);
  return hash("sha256", text, "base64url").slice(0, NAME_LENGTH);
}

/**
 * A number of 53 bits for it, never 0, for this process alone. Two different publishes may have the
 * same one: whoever finds it looks at the record.
 */
export function hashOfPublish({ conversation, sender, key }: PublishId): number {
  const lanes = new TwoLanes(SEED, ~SEED);
  for (const part of [conversation, sender, key]) {
    for (let index = 0; index < part.length; index++) lanes.take(part.charCodeAt(index));
    // No text has this unit, so that "ab","c" and "a","bc" differ.
    lanes.take(0x1_0000);
  }
  const value = lanes.value(HASH_BITS);
  return value === 0 ? 1 : value;
}
