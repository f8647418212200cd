import { readFileSync, truncateSync } from "node:fs";

/** Where Kafka keeps the records of a partition that has not grown large. */
export const FIRST_SEGMENT = "00000000000000000000.log";

/**
 * Takes every batch away that reaches beyond `end`, as a disk does that lost its newest writes. What
 * a batch begins with (https://kafka.apache.org/documentation/#recordbatch): base offset i64 · length
 * of what follows i32 · leader epoch i32 · magic i8 · CRC u32 · attributes i16 · last offset's delta i32.
 */
export function cutLog(file: string, end: bigint): void {
  const bytes = readFileSync(file);
  let at = 0;
  while (at < bytes.length) {
    const last = bytes.readBigInt64BE(at) + BigInt(bytes.readInt32BE(at + 23));
    if (last >= end) break;
    at += 12 + bytes.readInt32BE(at + 8);
  }
  truncateSync(file, at);
}
