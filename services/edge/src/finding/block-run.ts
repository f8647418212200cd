import { BLOCK_OFFSETS, Block, type Extent, type OffsetRange } from "./block.ts";

/** Entries of a new run; it doubles. */
const ENTRIES_MIN = 64;

/**
 * A part of one block that is being read: every message in [from, next), in the order of the log. It
 * grows at its end only, and is a block once it reaches from the block's first offset to its last.
 */
export class BlockRun implements Extent {
  /** Of the whole block. */
  readonly start: bigint;
  readonly end: bigint;
  readonly from: bigint;
  #next: bigint;
  #bytes = 0;
  #entries = new Float64Array(ENTRIES_MIN);
  #size = 0;

  constructor(block: { readonly start: bigint; readonly end: bigint }, from: bigint) {
    this.start = block.start;
    this.end = block.end;
    this.from = from;
    this.#next = from;
  }

  get next(): bigint {
    return this.#next;
  }

  get bytesPerOffset(): number {
    return this.#bytes / Math.max(1, Number(this.#next - this.from));
  }

  /** The next record, of so many bytes; undefined where it is no message of this partition. */
  add(offset: bigint, hash: number | undefined, bytes: number): void {
    this.#bytes += bytes;
    if (hash !== undefined) this.#push(hash * BLOCK_OFFSETS + Number(offset - this.start));
  }

  /** Every record before that offset was added. */
  reach(next: bigint): void {
    this.#next = next;
  }

  /** One that begins where this one ends. */
  append(later: BlockRun): void {
    for (let index = 0; index < later.#size; index++) this.#push(later.#entries[index] ?? 0);
    this.#bytes += later.#bytes;
    this.#next = later.#next;
  }

  offsetsOf(hash: number, { from, upTo, most = Infinity }: OffsetRange): readonly bigint[] {
    const base = hash * BLOCK_OFFSETS;
    const first = base + Math.max(0, Number(from - this.start));
    const end = base + Math.min(BLOCK_OFFSETS, Number(upTo - this.start));
    const offsets: bigint[] = [];
    for (let index = 0; index < this.#size && offsets.length < most; index++) {
      const entry = this.#entries[index] ?? -1;
      if (entry >= first && entry < end) offsets.push(this.start + BigInt(entry - base));
    }
    return offsets;
  }

  /** Undefined while a part of the block is missing. */
  whole(): Block | undefined {
    if (this.from !== this.start || this.#next !== this.end) return undefined;
    const { start: from, end: next } = this;
    const entries = this.#entries.subarray(0, this.#size).toSorted();
    return new Block({ from, next, bytes: this.#bytes, entries });
  }

  #push(entry: number): void {
    if (this.#size === this.#entries.length) {
      const entries = new Float64Array(this.#size * 2);
      entries.set(this.#entries);
      this.#entries = entries;
    }
    this.#entries[this.#size++] = entry;
  }
}
