import type { Block } from "./block.ts";

/** What a block costs beside its entries, about. */
const BLOCK_BYTES = 200;

/** Whole blocks in memory; beyond the bound the one that was not used for the longest time goes. */
export class BlockCache {
  readonly #bytesMax: number;
  /** In the order of use. */
  readonly #blocks = new Map<string, Block>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(key: string): Block | undefined {
    const block = this.#blocks.get(key);
    if (block === undefined) return undefined;
    this.#blocks.delete(key);
    this.#blocks.set(key, block);
    return block;
  }

  put(key: string, block: Block): void {
    this.delete(key);
    this.#blocks.set(key, block);
    this.#bytes += costOf(block);
    for (const oldest of this.#blocks.keys()) {
      if (this.#bytes <= this.#bytesMax) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const block = this.#blocks.get(key);
    if (block === undefined) return;
    this.#blocks.delete(key);
    this.#bytes -= costOf(block);
  }
}

function costOf({ entries }: Block): number {
  return BLOCK_BYTES + entries.byteLength;
}
