import type { Log } from "@millrace/log";
import { partitionOf } from "@millrace/schemas";

/** Enough for the first batch of each partition; a batch comes whole. */
const SAMPLE_BYTES = 65_536;

/**
 * Where the keys of the log do not stand where this edge would put them: the number of partitions
 * was changed since they were written. An edge that began to write then would split conversations,
 * and other edges, which began before, would go on at the old places. Undefined: nothing speaks
 * against it. Only records of our own writers count, and a partition that can't be read says nothing.
 */
export async function misplacedKey(log: Log): Promise<string | undefined> {
  const partitions = log.epoch?.partitions ?? 0;
  const numbers = Array.from({ length: partitions }, (_, partition) => partition);
  const found = await Promise.all(numbers.map((partition) => misplacedIn(log, partition)));
  return found.find((place) => place !== undefined);
}

async function misplacedIn(log: Log, partition: number): Promise<string | undefined> {
  const { epoch } = log;
  const bounds = await log.bounds(partition);
  if (epoch === undefined || bounds.kind === "unavailable") return undefined;
  const place = { partition, epoch: epoch.id, offset: bounds.startOffset };
  if (bounds.startOffset >= bounds.endOffset) return undefined;
  const chunk = await log.readFrom({ ...place, waitMs: 0, bytesMax: SAMPLE_BYTES });
  if (chunk.kind !== "chunk") return undefined;
  for (const { key, headers, offset } of chunk.records) {
    if (key === null || !headers.some(({ name }) => name === "edge")) continue;
    const wanted = partitionOf(key, epoch.partitions);
    if (wanted !== partition)
      return `offset ${offset} of partition ${partition} belongs in ${wanted}`;
  }
  return undefined;
}
