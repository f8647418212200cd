/** Offsets of one block. With 40 bits of hash an entry stays below 2^53. */
export const BLOCK_OFFSETS = 8_192;

/** What is known of a part of one block: where messages stand in [from, next). */
export interface Extent {
  readonly from: bigint;
  readonly next: bigint;
  /** Of keys and values, per offset: what a read costs, about. */
  readonly bytesPerOffset: number;
  /** Rising, the first `most` of them; a superset, because two conversations may share a hash. */
  offsetsOf(hash: number, range: OffsetRange): readonly bigint[];
}

export interface OffsetRange {
  readonly from: bigint;
  readonly upTo: bigint;
  readonly most?: number;
}

/**
 * A whole block: one number for each message, `hash · 8,192 + its place in the block`, sorted. It is
 * a function of the log alone, so whoever has read the block makes the same one.
 */
export class Block implements Extent {
  readonly from: bigint;
  readonly next: bigint;
  readonly bytes: number;
  readonly entries: Float64Array;

  constructor(options: {
    readonly from: bigint;
    readonly next: bigint;
    /** Of all keys and values. */
    readonly bytes: number;
    /** Sorted. */
    readonly entries: Float64Array;
  }) {
    this.from = options.from;
    this.next = options.next;
    this.bytes = options.bytes;
    this.entries = options.entries;
  }

  get bytesPerOffset(): number {
    return this.bytes / Number(this.next - this.from);
  }

  offsetsOf(hash: number, { from, upTo, most = Infinity }: OffsetRange): readonly bigint[] {
    const base = hash * BLOCK_OFFSETS;
    const first = base + Math.max(0, Number(from - this.from));
    const end = base + Math.min(BLOCK_OFFSETS, Number(upTo - this.from));
    const offsets: bigint[] = [];
    for (let index = this.#indexFrom(first); offsets.length < most; index++) {
      const entry = this.entries[index] ?? end;
      if (entry >= end) break;
      offsets.push(this.from + BigInt(entry - base));
    }
    return offsets;
  }

  #indexFrom(entry: number): number {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.entries[middle] ?? 0) < entry) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
