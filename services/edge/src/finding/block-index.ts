import type { LogChunk } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import { type EpochId, partitionOf } from "@millrace/schemas";
import type { DecodedRecords } from "../tail/decoded-records.ts";
import type { Told } from "../hub/told.ts";
import type { TailFollower } from "../tail/partition-tail.ts";
import { BlockShelf, type LogPlace } from "./block-shelf.ts";
import type { BlockStore } from "./block-store.ts";
import { BLOCK_OFFSETS, type Extent } from "./block.ts";
import { hashOfKey } from "./conversation-hash.ts";
import { type IndexedRecord, PartitionRuns } from "./partition-runs.ts";

export interface BlockIndexOptions {
  readonly store: BlockStore;
  readonly clock: Clock;
  readonly decoded: DecodedRecords;
  /** How many partitions keys are spread over in that incarnation; undefined: it is over. */
  readonly partitionsIn: (epoch: EpochId) => number | undefined;
  /** Of whole blocks in memory. */
  readonly bytesMax: number;
  /** At most 8,192, of which it is a divisor. */
  readonly blockOffsets?: number;
  readonly hashOf?: (key: Uint8Array) => number;
  /** The store holds something that is no block of a version that is known here. */
  readonly onUnreadable?: () => void;
}

/** Blocks asked for at once. */
const LOAD_BLOCKS = 16n;

/** So many blocks behind a lost end are forgotten; a log that loses more has lost its index, too. */
const FORGET_BLOCKS_MAX = 1_000n;

/** What this edge has read of one partition, and is not a whole block yet. */
interface PartitionState {
  readonly epoch: EpochId;
  readonly runs: PartitionRuns;
  /** The tail's next offset. */
  tailNext: bigint;
}

/**
 * Where the messages of each conversation stand, block by block of a partition.
 *
 * Invariant: an extent that is handed out covers its range exactly: every message in [from, next) is
 * in it. That holds because a run grows only by what was read from exactly its end on, a block is put
 * away only when its run reaches from its first offset to its last, and what was read never changes,
 * save where the log loses its end: then the tail jumps back, and what lies behind is forgotten, here
 * and in the store.
 *
 * A message is a record that can be decoded and whose key belongs to the partition; others are never
 * delivered, so that the number of what is missing can be told.
 */
export class BlockIndex implements TailFollower {
  readonly hashOf: (key: Uint8Array) => number;
  readonly #options: BlockIndexOptions;
  readonly #shelf: BlockShelf;
  readonly #size: bigint;
  readonly #states = new Map<number, PartitionState>();

  constructor(options: BlockIndexOptions) {
    const { blockOffsets = BLOCK_OFFSETS, hashOf = hashOfKey } = options;
    this.#options = options;
    this.#size = BigInt(blockOffsets);
    this.hashOf = hashOf;
    this.#shelf = new BlockShelf({ ...options, size: this.#size });
  }

  began(partition: number, { epoch, offset }: Told): void {
    const state = this.#states.get(partition);
    if (state?.epoch !== epoch) {
      const runs = new PartitionRuns();
      this.#states.set(partition, { epoch, runs, tailNext: offset });
      return;
    }
    if (offset < state.tailNext) this.#forget({ epoch, partition }, state, offset);
    state.tailNext = offset;
  }

  resumed(partition: number, position: Told): void {
    if (this.#states.get(partition)?.epoch === position.epoch) this.reached(partition, position);
    else this.began(partition, position);
  }

  /** Whoever has passed it, of a log that lost its end this edge will hear. */
  reached(partition: number, { epoch, offset }: Told): void {
    const state = this.#states.get(partition);
    if (state?.epoch === epoch) state.tailNext = later(state.tailNext, offset);
  }

  /** The next part of the tail's run. */
  passed(chunk: LogChunk): void {
    this.#take(chunk, { isTail: true });
  }

  /** Read by anybody else. */
  scanned(chunk: LogChunk): void {
    this.#take(chunk, { isTail: false });
  }

  /** What memory knows around that offset. */
  extentAt(place: LogPlace, offset: bigint): Extent | undefined {
    const block = this.#shelf.get(place, offset / this.#size);
    if (block !== undefined) return block;
    const state = this.#states.get(place.partition);
    return state?.epoch === place.epoch ? state.runs.at(offset) : undefined;
  }

  /** The first offset of that offset's block. */
  blockStart(offset: bigint): bigint {
    return offset - (offset % this.#size);
  }

  blockEnd(offset: bigint): bigint {
    return this.blockStart(offset) + this.#size;
  }

  /** Fetches the block of that offset, and some more on the way to `towards`, as far as they exist. */
  async load(place: LogPlace, offset: bigint, towards: bigint): Promise<void> {
    const [first, last] = [offset / this.#size, towards / this.#size];
    const step = last < first ? -1n : 1n;
    const numbers: bigint[] = [];
    for (let number = first; numbers.length < LOAD_BLOCKS; number += step) {
      if (this.#isPassed(place, number)) numbers.push(number);
      if (number === last) break;
    }
    await this.#shelf.load(place, numbers);
  }

  /** Only what the tail has passed: of what lies behind it nobody here would hear that it was lost. */
  #isPassed({ epoch, partition }: LogPlace, number: bigint): boolean {
    const state = this.#states.get(partition);
    return state?.epoch === epoch && (number + 1n) * this.#size <= state.tailNext;
  }

  #take(chunk: LogChunk, { isTail }: { readonly isTail: boolean }): void {
    const { epoch, partition, from } = chunk;
    const state = this.#states.get(partition);
    const partitions = this.#options.partitionsIn(epoch);
    // Of an incarnation that is over nobody can say any more which keys belong to the partition.
    if (state?.epoch !== epoch || partitions === undefined) return;
    if (isTail) state.tailNext = later(state.tailNext, chunk.next);
    // What the tail has not passed may have been read before the log lost its end.
    const next = earlier(chunk.next, state.tailNext);
    let records: readonly IndexedRecord[] | undefined;
    for (let start = this.blockStart(from); start < next; start += this.#size) {
      const number = start / this.#size;
      if (this.#shelf.get(chunk, number) !== undefined) continue;
      const end = start + this.#size;
      const part = { start, end, from: later(from, start), next: earlier(next, end) };
      const extent = state.runs.at(part.from);
      if (extent !== undefined && extent.next >= part.next) continue;
      if (!isTail && extent === undefined && !this.#goesOn(state, part)) continue;
      records ??= this.#indexed(chunk, partitions);
      const block = state.runs.take({ ...part, records }, isTail);
      if (block !== undefined) this.#shelf.put(chunk, number, block);
    }
  }

  /** Whether it begins a block, or stands exactly where a run ends. */
  #goesOn({ runs }: PartitionState, part: { start: bigint; from: bigint }): boolean {
    return part.from === part.start || runs.at(part.from - 1n) !== undefined;
  }

  #indexed(chunk: LogChunk, partitions: number): readonly IndexedRecord[] {
    const { partition, records } = chunk;
    const outcomes = this.#options.decoded.of(chunk);
    return records.map(({ offset, key, value }, index) => {
      const isMessage = outcomes[index]?.kind === "message";
      const isOurs = key !== null && isMessage && partitionOf(key, partitions) === partition;
      const bytes = (key?.length ?? 0) + (value?.length ?? 0);
      return { offset, hash: isOurs ? this.hashOf(key) : undefined, bytes };
    });
  }

  #forget(place: LogPlace, { runs, tailNext }: PartitionState, offset: bigint): void {
    runs.forgetFrom(offset);
    const first = offset / this.#size;
    const last = earlier(tailNext / this.#size, first + FORGET_BLOCKS_MAX);
    for (let number = first; number <= last; number++) this.#shelf.forget(place, number);
  }
}

function later(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}

function earlier(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}
