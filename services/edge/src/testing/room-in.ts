import { partitionOf } from "@millrace/schemas";

/** A conversation whose records stand in that one of so many partitions. */
export function roomIn(partition: number, partitions: number): string {
  for (let number = 0; ; number++) {
    const c = `room:${number}`;
    if (partitionOf(Buffer.from(c), partitions) === partition) return c;
  }
}
