import { murmur2, partitionOf } from "@millrace/schemas";
import { expect, it } from "vitest";
import { bytes } from "./conformance-steps.ts";
import type { Conformance } from "./conformance.ts";

const PARTITIONS = 7;

export function conformanceOfPartitions({ start, can }: Conformance): void {
  // The cases of Kafka's own clients: UtilsTest#testMurmur2.
  it.each([
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ])("hashes the key %s as Kafka's own clients do", (key, hash) => {
    expect(murmur2(bytes(key))).toBe(hash);
    expect(partitionOf(bytes(key), 1_000)).toBe((hash & 0x7fffffff) % 1_000);
  });

  it.runIf(can("foreign-partitioner"))(
    "agrees with another producer about the partition of every key",
    async () => {
      const subject = await start({ partitions: PARTITIONS });
      const keys = [
        "room:42",
        "dm:alice:bob",
        "комната",
        "部屋",
        "😀",
        "a",
        "ab",
        "abcd",
        "x".repeat(200),
      ];
      for (const key of keys) {
        const partition = await subject.appendKeyed?.(bytes(key), bytes("value"));
        expect({ key, partition }).toEqual({ key, partition: partitionOf(bytes(key), PARTITIONS) });
      }
    },
  );
}
