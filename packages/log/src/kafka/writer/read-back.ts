import type { LogReader } from "../../port.ts";
import type { Found, Lane } from "./lane.ts";

const READ_BYTES = 1_048_576;

/**
 * Looks for the records of one edge from `settledEnd` on, by their header `edge`; undefined when the
 * partition can't be read to its end at the moment.
 */
export async function readBack(reader: LogReader, lane: Lane): Promise<Found | undefined> {
  const { partition } = lane;
  const epoch = lane.epoch.id;
  const found = new Map<string, { readonly offset: bigint; readonly timestampMs: number }>();
  const bounds = await reader.bounds(partition);
  if (bounds.kind === "unavailable" || bounds.epoch !== epoch) return undefined;
  const { startOffset, endOffset } = bounds;
  let offset = lane.settledEnd > startOffset ? lane.settledEnd : startOffset;
  while (offset < endOffset) {
    const request = { partition, offset, epoch, waitMs: 0, bytesMax: READ_BYTES };
    const chunk = await reader.readFrom(request);
    if (chunk.kind !== "chunk" || chunk.next === offset) return undefined;
    for (const record of chunk.records) {
      const mark = record.headers.find(({ name }) => name === "edge");
      const { offset: at, timestampMs } = record;
      if (mark !== undefined) found.set(textOf(mark.value), { offset: at, timestampMs });
    }
    offset = chunk.next;
  }
  return found;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
