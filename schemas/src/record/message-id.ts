import { randomFillSync } from "node:crypto";

const POOL_BYTES = 4_096;
const ID_BYTES = 16;
const pool = Buffer.alloc(POOL_BYTES);
let poolUsed = POOL_BYTES;
let lastMs = 0;
let counter = 0;

/**
 * A UUIDv7 (RFC 9562 §5.7) for that time. Ids of one process rise, also within a millisecond and
 * when the wall clock steps back: `rand_a` is a 12-bit counter (§6.2, method 1).
 */
export function newMessageId(nowMs: number): string {
  const wallMs = Math.trunc(nowMs);
  if (wallMs > lastMs) {
    lastMs = wallMs;
    counter = 0;
  } else if (++counter > 0xfff) {
    lastMs += 1;
    counter = 0;
  }
  if (poolUsed + ID_BYTES > POOL_BYTES) {
    randomFillSync(pool);
    poolUsed = 0;
  }
  const bytes = pool.subarray(poolUsed, poolUsed + ID_BYTES);
  poolUsed += ID_BYTES;
  bytes.writeUIntBE(lastMs, 0, 6);
  bytes.writeUInt16BE(0x7000 | counter, 6);
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
  const hex = bytes.toString("hex");
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return `${parts.join("-")}-${hex.slice(20)}`;
}
