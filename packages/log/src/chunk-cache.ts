import type { EpochId } from "@millrace/schemas";
import type { LogChunk, LogRecord } from "./port.ts";
import { bytesOf } from "./record-bytes.ts";
import { RecordIndex, setIndex } from "./records-of.ts";

/** A run of one partition without a break, that grows at its end while it is the newest. */
interface Segment {
  readonly epoch: EpochId;
  readonly partition: number;
  readonly from: bigint;
  next: bigint;
  endOffset: bigint;
  bytes: number;
  lastUsed: number;
  readonly records: LogRecord[];
  readonly index: RecordIndex;
}

/** As a read answers it: its index belongs to this very object. */
export type CachedChunk = LogChunk & { readonly kind: "chunk" };

export interface ChunkCacheOptions {
  /** Of keys, values and headers, over all partitions. */
  readonly bytesMax: number;
}

/** A segment that has reached this size is finished: the next chunk begins a new one. */
const SEGMENT_BYTES = 262_144;

/** What an object for a record costs beside its bytes, about. */
const RECORD_BYTES = 150;

/**
 * Chunks that were read lately, so that many readers of the same range cost one fetch: what tails
 * have brought (the newest bytes of each partition), and what scans are going through. Beyond the
 * bound the segment that was not used for the longest time goes.
 */
export class ChunkCache {
  readonly #bytesMax: number;
  readonly #partitions = new Map<number, Segment[]>();
  #bytes = 0;
  #uses = 0;

  constructor({ bytesMax }: ChunkCacheOptions) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  put(chunk: LogChunk): void {
    if (chunk.next === chunk.from) return;
    const segments = this.#segmentsOf(chunk.partition);
    const growing = segments.find((segment) => canGrow(segment, chunk));
    if (growing === undefined) segments.push(this.#segment(chunk));
    else this.#grow(growing, chunk);
    this.#bytes += costOf(chunk.records, chunk.bytes);
    while (this.#bytes > this.#bytesMax && this.#evict());
  }

  /** From exactly that offset on, as far as one segment goes. */
  get(partition: number, offset: bigint, epoch: EpochId): CachedChunk | undefined {
    const segment = this.#partitions
      .get(partition)
      ?.find(({ from, next, epoch: of }) => of === epoch && from <= offset && offset < next);
    if (segment === undefined) return undefined;
    segment.lastUsed = ++this.#uses;
    return viewOf(segment, offset);
  }

  /** What was read there may no longer be what the log holds. */
  clear(partition?: number): void {
    for (const [key, segments] of this.#partitions) {
      if (partition !== undefined && key !== partition) continue;
      for (const segment of segments) this.#bytes -= costOf(segment.records, segment.bytes);
      this.#partitions.delete(key);
    }
  }

  #segmentsOf(partition: number): Segment[] {
    let segments = this.#partitions.get(partition);
    if (segments === undefined) this.#partitions.set(partition, (segments = []));
    return segments;
  }

  #segment(chunk: LogChunk): Segment {
    const { epoch, partition, from, next, endOffset, bytes } = chunk;
    const records = [...chunk.records];
    const index = new RecordIndex(records);
    const lastUsed = ++this.#uses;
    return { epoch, partition, from, next, endOffset, bytes, lastUsed, records, index };
  }

  #grow(segment: Segment, chunk: LogChunk): void {
    segment.records.push(...chunk.records);
    segment.next = chunk.next;
    segment.endOffset = chunk.endOffset;
    segment.bytes += chunk.bytes;
    segment.lastUsed = ++this.#uses;
  }

  #evict(): boolean {
    let oldest: Segment | undefined;
    for (const segments of this.#partitions.values()) {
      for (const segment of segments) {
        if (oldest === undefined || segment.lastUsed < oldest.lastUsed) oldest = segment;
      }
    }
    if (oldest === undefined) return false;
    const segments = this.#segmentsOf(oldest.partition);
    segments.splice(segments.indexOf(oldest), 1);
    this.#bytes -= costOf(oldest.records, oldest.bytes);
    return true;
  }
}

function canGrow(segment: Segment, chunk: LogChunk): boolean {
  return (
    segment.next === chunk.from &&
    segment.epoch === chunk.epoch &&
    segment.bytes + chunk.bytes <= SEGMENT_BYTES
  );
}

function costOf(records: readonly LogRecord[], bytes: number): number {
  return bytes + records.length * RECORD_BYTES;
}

/** Shares the segment's index, so that a thousand readers of it index it once. */
function viewOf(segment: Segment, from: bigint): CachedChunk {
  const { epoch, partition, next, endOffset, index } = segment;
  const first = firstAtOrAfter(segment.records, from);
  const records = segment.records.slice(first);
  const isWhole = records.length === segment.records.length;
  const bytes = isWhole ? segment.bytes : records.reduce((sum, record) => sum + bytesOf(record), 0);
  const kind = "chunk" as const;
  const view = { kind, epoch, partition, from, next, records, bytes, endOffset };
  setIndex(view, index);
  return view;
}

function firstAtOrAfter(records: readonly LogRecord[], offset: bigint): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const record = records[middle];
    if (record !== undefined && record.offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
