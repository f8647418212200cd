import { BlockRun } from "./block-run.ts";
import type { Block, Extent } from "./block.ts";

/** Blocks of one partition that are in the making; beyond it the one that rests longest goes. */
const RUNS_MAX = 5;

/** A record as the index has it; without a hash it is no message of the partition. */
export interface IndexedRecord {
  readonly offset: bigint;
  readonly hash: number | undefined;
  readonly bytes: number;
}

/** What was read of one block in one go. */
export interface ReadPart {
  readonly start: bigint;
  readonly end: bigint;
  readonly from: bigint;
  readonly next: bigint;
  readonly records: readonly IndexedRecord[];
}

/** The parts of blocks of one partition that were read without a break, and are no whole block yet. */
export class PartitionRuns {
  /** The one that grew last at the end. */
  #runs: BlockRun[] = [];

  /** The run that knows that offset. */
  at(offset: bigint): Extent | undefined {
    return this.#runs.find(({ from, next }) => from <= offset && offset < next);
  }

  /**
   * The block, once it is whole. A run grows only from exactly where it ended; a new one begins at its
   * block's start, or anywhere for a reader that will go on from there (`isTail`).
   */
  take(part: ReadPart, isTail: boolean): Block | undefined {
    const { start, from, next } = part;
    let run = this.#runs.find((one) => one.start === start && one.from <= from && from <= one.next);
    if (run === undefined) {
      if (!isTail && from > start) return undefined;
      run = new BlockRun(part, from);
    } else this.#remove(run);
    this.#runs.push(run);
    while (run.next < next) this.#grow(run, part);
    this.#trim();
    const block = run.whole();
    if (block !== undefined) this.#remove(run);
    return block;
  }

  /** Nothing from that offset on is true any more. */
  forgetFrom(offset: bigint): void {
    this.#runs = this.#runs.filter(({ next }) => next <= offset);
  }

  /** As far as the part goes, or to where another run goes on. */
  #grow(run: BlockRun, part: ReadPart): void {
    const later = this.#runs.find(
      (one) => one.start === run.start && one.from > run.from && one.next > run.next,
    );
    const isJoining = later !== undefined && later.from <= part.next;
    const upTo = isJoining ? later.from : part.next;
    for (const { offset, hash, bytes } of part.records) {
      if (offset >= run.next && offset < upTo) run.add(offset, hash, bytes);
    }
    run.reach(upTo);
    if (!isJoining) return;
    run.append(later);
    this.#remove(later);
  }

  #trim(): void {
    if (this.#runs.length <= RUNS_MAX) return;
    // The newest block's is the tail's, and the only one who knows what came last.
    const newest = this.#runs.reduce((one, other) => (other.next > one.next ? other : one));
    this.#runs.splice(this.#runs[0] === newest ? 1 : 0, 1);
  }

  #remove(run: BlockRun): void {
    this.#runs.splice(this.#runs.indexOf(run), 1);
  }
}
