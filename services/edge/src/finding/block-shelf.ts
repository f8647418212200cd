import type { Clock } from "@millrace/runtime";
import type { EpochId } from "@millrace/schemas";
import type { Block } from "./block.ts";
import { BlockCache } from "./block-cache.ts";
import { decodeBlock, encodeBlock } from "./block-format.ts";
import type { BlockStore } from "./block-store.ts";

/** One partition of one incarnation. */
export interface LogPlace {
  readonly epoch: EpochId;
  readonly partition: number;
}

export interface BlockShelfOptions {
  readonly store: BlockStore;
  readonly clock: Clock;
  /** Of whole blocks in memory. */
  readonly bytesMax: number;
  /** Offsets of a block. */
  readonly size: bigint;
  /** What stands there is no block of a version that is known here. */
  readonly onUnreadable?: () => void;
}

/** One that was not there is asked for again after that time. */
const ABSENT_MS = 10_000;
const ABSENT_MAX = 10_000;
/** Questions to the store at once; beyond it a block counts as not there. */
const LOADS_MAX = 512;
/** What a store that could not be reached may still hold, and must not be believed. */
const SUSPECTS_MAX = 10_000;

/**
 * Whole blocks: in memory, and behind that in a store that all edges share and that may lose them. A
 * block is there or is not; one that is not may hold anything.
 */
export class BlockShelf {
  readonly #options: BlockShelfOptions;
  readonly #cache: BlockCache;
  readonly #loads = new Map<string, Promise<void>>();
  readonly #absentUntilMs = new Map<string, number>();
  readonly #suspects = new Set<string>();

  constructor(options: BlockShelfOptions) {
    this.#options = options;
    this.#cache = new BlockCache(options.bytesMax);
  }

  /** The block with that number, as far as this edge knows. */
  get(place: LogPlace, number: bigint): Block | undefined {
    return this.#cache.get(keyOf(place, number));
  }

  put(place: LogPlace, number: bigint, block: Block): void {
    const key = keyOf(place, number);
    this.#cache.put(key, block);
    this.#options.store.write(key, encodeBlock(block));
  }

  /** Resolves when everything is known of these blocks that can be. */
  async load(place: LogPlace, numbers: readonly bigint[]): Promise<void> {
    await Promise.all(numbers.map((number) => this.#load(place, number)));
  }

  /** The log has lost what stood there: its offsets will be given again. */
  forget(place: LogPlace, number: bigint): void {
    const key = keyOf(place, number);
    this.#cache.delete(key);
    if (this.#suspects.size >= SUSPECTS_MAX) this.#suspects.clear();
    this.#suspects.add(key);
    void this.#acquit(key);
  }

  async #load(place: LogPlace, number: bigint): Promise<void> {
    const key = keyOf(place, number);
    if (this.#cache.get(key) !== undefined) return;
    const running = this.#loads.get(key);
    if (running !== undefined) return running;
    const { clock } = this.#options;
    if (clock.nowMs() < (this.#absentUntilMs.get(key) ?? -Infinity)) return;
    if (this.#loads.size >= LOADS_MAX) return;
    const load = this.#read(key, number).finally(() => this.#loads.delete(key));
    this.#loads.set(key, load);
    return load;
  }

  async #read(key: string, number: bigint): Promise<void> {
    const { store, size, onUnreadable } = this.#options;
    const isBelieved = !this.#suspects.has(key) || (await this.#acquit(key));
    const bytes = isBelieved ? await store.read(key) : undefined;
    const range = { from: number * size, next: (number + 1n) * size };
    const block = bytes ? decodeBlock(bytes, range) : undefined;
    if (bytes && block === undefined) onUnreadable?.();
    // It may have become suspect while it was on its way.
    if (block !== undefined && !this.#suspects.has(key)) this.#cache.put(key, block);
    else this.#absent(key);
  }

  #absent(key: string): void {
    if (this.#absentUntilMs.size >= ABSENT_MAX) this.#absentUntilMs.clear();
    this.#absentUntilMs.set(key, this.#options.clock.nowMs() + ABSENT_MS);
  }

  /** Once the store has surely forgotten it, what it says from then on is of the log of now. */
  async #acquit(key: string): Promise<boolean> {
    const isForgotten = await this.#options.store.forget(key);
    if (isForgotten) this.#suspects.delete(key);
    return isForgotten;
  }
}

function keyOf({ epoch, partition }: LogPlace, number: bigint): string {
  return `mr:block:{${epoch}.${partition}}:${number}`;
}
