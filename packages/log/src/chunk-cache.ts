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
  /** What it takes of the cache. */
  cost: number;
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

/** What a chunk costs beside its records, about: a quiet log comes in chunks of one record. */
const CHUNK_BYTES = 350;

/** What a segment costs beside its chunks, about: small reads leave many of them. */
const SEGMENT_BYTES_MIN = 500;

/**
 * Chunks that were read lately, so that many readers of the same range cost one fetch: what tails
 * have brought (the newest bytes of each partition), and what catch-ups are going through. Beyond the
 * bound the segment that was not used for the longest time goes.
 *
 * The segments of a partition are sorted by `from`, and none lies within another, so their ends rise
 * as well: the last one that begins at or before an offset is the only one worth a look.
 */
export class ChunkCache {
  readonly #bytesMax: number;
  readonly #partitions = new Map<number, Segment[]>();
  /** In the order of use. */
  readonly #used = new Set<Segment>();
  #bytes = 0;

  constructor({ bytesMax }: ChunkCacheOptions) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  put(chunk: LogChunk): void {
    if (chunk.next === chunk.from) return;
    const segments = this.#segmentsOf(chunk.partition);
    const at = firstBehind(segments, chunk.from);
    const before = segments[at - 1];
    if (before !== undefined && isWithin(chunk, before)) return;
    if (before !== undefined && canGrow(before, chunk)) {
      this.#grow(before, chunk);
      this.#swallow(segments, at - 1);
    } else this.#add(segments, at, segmentOf(chunk));
    for (const oldest of this.#used) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#delete(oldest);
    }
  }

  /** From exactly that offset on, as far as one segment goes. */
  get(partition: number, offset: bigint, epoch: EpochId): CachedChunk | undefined {
    const segments = this.#partitions.get(partition) ?? [];
    const segment = segments[firstBehind(segments, offset) - 1];
    if (segment === undefined || segment.epoch !== epoch || segment.next <= offset) {
      return undefined;
    }
    this.#use(segment);
    return viewOf(segment, offset);
  }

  /** What was read there may no longer be what the log holds. */
  clear(partition?: number): void {
    for (const [key, segments] of this.#partitions) {
      if (partition !== undefined && key !== partition) continue;
      this.#partitions.delete(key);
      for (const segment of segments) this.#drop(segment);
    }
  }

  #segmentsOf(partition: number): Segment[] {
    let segments = this.#partitions.get(partition);
    if (segments === undefined) this.#partitions.set(partition, (segments = []));
    return segments;
  }

  #add(segments: Segment[], at: number, segment: Segment): void {
    segments.splice(at, 0, segment);
    this.#bytes += segment.cost;
    this.#use(segment);
    this.#swallow(segments, at);
  }

  #grow(segment: Segment, chunk: LogChunk): void {
    segment.records.push(...chunk.records);
    segment.next = chunk.next;
    segment.endOffset = chunk.endOffset;
    segment.bytes += chunk.bytes;
    const cost = costOf(chunk);
    segment.cost += cost;
    this.#bytes += cost;
    this.#use(segment);
  }

  /** Drops what lies within the segment at that index. */
  #swallow(segments: readonly Segment[], at: number): void {
    const segment = segments[at];
    const isSwallowed = (other: Segment | undefined): other is Segment =>
      segment !== undefined && other !== undefined && other.next <= segment.next;
    for (let next = segments[at + 1]; isSwallowed(next); next = segments[at + 1]) {
      this.#delete(next);
    }
    const before = segments[at - 1];
    if (before?.from === segment?.from && isSwallowed(before)) this.#delete(before);
  }

  #use(segment: Segment): void {
    this.#used.delete(segment);
    this.#used.add(segment);
  }

  #delete(segment: Segment): void {
    const segments = this.#segmentsOf(segment.partition);
    segments.splice(segments.indexOf(segment), 1);
    this.#drop(segment);
  }

  #drop(segment: Segment): void {
    this.#used.delete(segment);
    this.#bytes -= segment.cost;
  }
}

function segmentOf(chunk: LogChunk): Segment {
  const { epoch, partition, from, next, endOffset, bytes } = chunk;
  const records = [...chunk.records];
  return {
    epoch,
    partition,
    from,
    next,
    endOffset,
    bytes,
    cost: SEGMENT_BYTES_MIN + costOf(chunk),
    records,
    index: new RecordIndex(records),
  };
}

function isWithin(chunk: LogChunk, { epoch, next }: Segment): boolean {
  return epoch === chunk.epoch && chunk.next <= next;
}

function canGrow(segment: Segment, chunk: LogChunk): boolean {
  return (
    segment.next === chunk.from &&
    segment.epoch === chunk.epoch &&
    segment.bytes + chunk.bytes <= SEGMENT_BYTES
  );
}

function costOf({ records, bytes }: LogChunk): number {
  return CHUNK_BYTES + bytes + records.length * RECORD_BYTES;
}

/** From there on, as far as it goes now. */
function viewOf(segment: Segment, from: bigint): CachedChunk {
  const first = lowest(
    segment.records.length,
    (at) => (segment.records[at]?.offset ?? from) >= from,
  );
  const view = new SegmentView(segment, from, segment.records.slice(first));
  // Shared, so that a thousand readers of it index it once.
  setIndex(view, segment.index);
  return view;
}

class SegmentView implements LogChunk {
  readonly kind = "chunk";
  readonly epoch: EpochId;
  readonly partition: number;
  readonly from: bigint;
  readonly next: bigint;
  readonly endOffset: bigint;
  readonly records: readonly LogRecord[];

  constructor({ epoch, partition, next, endOffset }: Segment, from: bigint, records: LogRecord[]) {
    this.epoch = epoch;
    this.partition = partition;
    this.from = from;
    this.next = next;
    this.endOffset = endOffset;
    this.records = records;
  }

  /** Added up when somebody asks: each record would be unpacked for it, and readers want few of them. */
  get bytes(): number {
    return this.records.reduce((sum, record) => sum + bytesOf(record), 0);
  }
}

/** Index of the first segment that begins behind that offset. */
function firstBehind(segments: readonly Segment[], offset: bigint): number {
  return lowest(segments.length, (at) => (segments[at]?.from ?? offset + 1n) > offset);
}

/** The lowest index below `length` for which it holds, which then holds for all above. */
function lowest(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
