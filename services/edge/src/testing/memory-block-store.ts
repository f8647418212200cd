import type { BlockStore } from "../finding/block-store.ts";

/** A store of blocks that a test can lose, and make deaf. */
export class MemoryBlockStore implements BlockStore {
  readonly blocks = new Map<string, Buffer>();
  isAway = false;

  async read(key: string): Promise<Buffer | null | undefined> {
    return this.isAway ? undefined : (this.blocks.get(key) ?? null);
  }

  /** The first one stays. */
  write(key: string, block: Buffer): void {
    if (!this.isAway && !this.blocks.has(key)) this.blocks.set(key, block);
  }

  async forget(key: string): Promise<boolean> {
    if (!this.isAway) this.blocks.delete(key);
    return !this.isAway;
  }
}
