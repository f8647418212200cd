/** Slots of a new table; a power of two, as every size. */
const SLOTS_MIN = 64;
const LOAD_MAX = 0.75;

/**
 * Offsets by the hash of their publish: an open-addressed table (linear probing) in two flat arrays,
 * 16 bytes a slot, so that a million keys cost megabytes and no object each. Nothing is ever removed
 * singly; a whole table goes at once.
 */
export class OffsetTable {
  /** 0 marks a free slot. */
  #hashes = new Float64Array(SLOTS_MIN);
  #offsets = new BigInt64Array(SLOTS_MIN);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(hash: number, offset: bigint): void {
    if (this.#size + 1 > this.#hashes.length * LOAD_MAX) this.#grow();
    this.#put(hash, offset);
    this.#size += 1;
  }

  /** All offsets that were added under that hash. */
  get(hash: number): bigint[] {
    const found: bigint[] = [];
    const mask = this.#hashes.length - 1;
    for (let slot = hash & mask; this.#hashes[slot] !== 0; slot = (slot + 1) & mask) {
      if (this.#hashes[slot] === hash) found.push(this.#offsets[slot] ?? 0n);
    }
    return found;
  }

  #put(hash: number, offset: bigint): void {
    const mask = this.#hashes.length - 1;
    let slot = hash & mask;
    while (this.#hashes[slot] !== 0) slot = (slot + 1) & mask;
    this.#hashes[slot] = hash;
    this.#offsets[slot] = offset;
  }

  #grow(): void {
    const [hashes, offsets] = [this.#hashes, this.#offsets];
    this.#hashes = new Float64Array(hashes.length * 2);
    this.#offsets = new BigInt64Array(hashes.length * 2);
    for (const [slot, hash] of hashes.entries()) {
      if (hash !== 0) this.#put(hash, offsets[slot] ?? 0n);
    }
  }
}
