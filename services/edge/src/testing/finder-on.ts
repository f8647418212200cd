import type { Log } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import { BlockIndex } from "../finding/block-index.ts";
import type { BlockStore } from "../finding/block-store.ts";
import { MessageFinder } from "../finding/message-finder.ts";
import { LIMITS } from "../limits.ts";
import { type EdgeMetrics, createMetrics } from "../metrics.ts";
import { DecodedRecords } from "../tail/decoded-records.ts";
import { MemoryBlockStore } from "./memory-block-store.ts";

/** An index of that log, and who finds messages by it; for a test on a log in memory. */
export function finderOn(
  log: Log,
  options: {
    readonly clock: Clock;
    readonly readBytes: number;
    readonly store?: BlockStore;
    readonly metrics?: EdgeMetrics;
    readonly blockOffsets?: number;
    readonly bytesMax?: number;
    readonly hashOf?: (key: Uint8Array) => number;
  },
): { readonly index: BlockIndex; readonly finder: MessageFinder } {
  const {
    store = new MemoryBlockStore(),
    metrics = createMetrics(),
    bytesMax = LIMITS.indexBytesMax,
    readBytes,
  } = options;
  const index = new BlockIndex({
    ...options,
    store,
    bytesMax,
    decoded: new DecodedRecords(),
    partitionsIn: (epoch) => (log.epoch?.id === epoch ? log.epoch.partitions : undefined),
  });
  return { index, finder: new MessageFinder({ log, index, metrics, readBytes }) };
}
