import { assert } from "@millrace/runtime";
import type { LogRecord } from "../port.ts";

/** What a record is before the log has given it a place and a time. */
export type UnplacedRecord = Omit<LogRecord, "offset" | "timestampMs">;

/**
 * The records of one partition in one incarnation, in order of their offsets. Offsets without a
 * record are holes, as compaction, control records and aborted transactions leave them.
 */
export class MemoryPartition {
  readonly #records: LogRecord[] = [];
  #startOffset: bigint;
  #endOffset: bigint;

  constructor(startOffset: bigint) {
    this.#startOffset = startOffset;
    this.#endOffset = startOffset;
  }

  get startOffset(): bigint {
    return this.#startOffset;
  }

  get endOffset(): bigint {
    return this.#endOffset;
  }

  get records(): readonly LogRecord[] {
    return this.#records;
  }

  append(record: UnplacedRecord, timestampMs: number): LogRecord {
    const placed = { ...record, offset: this.#endOffset, timestampMs };
    this.#records.push(placed);
    this.#endOffset += 1n;
    return placed;
  }

  /** Offsets that are used up and hold no record. */
  appendHoles(count: number): void {
    assert(count > 0, "a hole has a length");
    this.#endOffset += BigInt(count);
  }

  /** As retention does: the log begins at that offset from now on. */
  deleteBefore(offset: bigint): void {
    assert(offset <= this.#endOffset, "only what is there can be deleted");
    if (offset <= this.#startOffset) return;
    this.#records.splice(0, this.#indexFrom(offset));
    this.#startOffset = offset;
  }

  /** As an unclean election does: the tail is lost, and its offsets will be given again. */
  truncate(endOffset: bigint): void {
    assert(endOffset >= this.#startOffset, "a log ends at or after its start");
    assert(endOffset <= this.#endOffset, "only what is there can be lost");
    this.#records.splice(this.#indexFrom(endOffset));
    this.#endOffset = endOffset;
  }

  /**
   * Records in [from, end) until they hold `bytesMax`; at least one, however large it is. `next` is
   * where reading goes on: behind the last of them, or `end` where only holes are left.
   */
  read(range: { readonly from: bigint; readonly end: bigint; readonly bytesMax: number }): {
    readonly records: readonly LogRecord[];
    readonly bytes: number;
    readonly next: bigint;
  } {
    const { from, end, bytesMax } = range;
    const records: LogRecord[] = [];
    let bytes = 0;
    for (let index = this.#indexFrom(from); index < this.#records.length; index++) {
      const record = this.#records[index];
      if (record === undefined || record.offset >= end) break;
      const size = recordBytes(record);
      const isFull = records.length > 0 && bytes + size > bytesMax;
      if (isFull) return { records, bytes, next: record.offset };
      records.push(record);
      bytes += size;
    }
    return { records, bytes, next: end };
  }

  /** Append times may step back with the broker's clock: it is the first such offset that counts. */
  offsetAtTime(timeMs: number): bigint {
    return (
      this.#records.find(({ timestampMs }) => timestampMs >= timeMs)?.offset ?? this.#endOffset
    );
  }

  /** Index of the first record at or after that offset. */
  #indexFrom(offset: bigint): number {
    let low = 0;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const record = this.#records[middle];
      if (record !== undefined && record.offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Bytes of key, value and headers. */
export function recordBytes(record: UnplacedRecord): number {
  let bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const { name, value } of record.headers) bytes += name.length + value.length;
  return bytes;
}
