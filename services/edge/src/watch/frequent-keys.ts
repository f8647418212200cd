import { CONVERSATION_BYTES_MAX } from "@millrace/schemas";

/** One of the keys that came often, and how often at the least. */
export interface FrequentKey {
  readonly key: Uint8Array;
  readonly count: number;
}

/** A longer one is no conversation's. */
const KEY_BYTES_MAX = CONVERSATION_BYTES_MAX;

/** Names mostly differ at their end; where they don't, a look takes longer and is as right. */
const HASHED_BYTES = 16;

const NONE = -1;

/**
 * The keys that come most often in a stream of which nothing is kept, by the algorithm of Misra and
 * Gries (Finding repeated elements, 1982), the twin of Space-Saving (Metwally, Agrawal, El Abbadi:
 * Efficient computation of frequent and top-k elements in data streams, 2005). With k counters, and
 * N keys taken: a count is never too high, and too low by at most N / (k + 1), so that each key with
 * more than that is among them. Of the two this one never accuses a key that hardly came.
 *
 * A key without a counter takes one that stands at zero; where there is none, all counters fall by
 * one and the key is forgotten. They fall together by raising the floor that they are compared with,
 * and zeros are looked for from one to the next: no counter behind the place where the search stands
 * can fall to the floor before it has passed them all. So a key costs a hash, a look into a chain,
 * and one step of the search. Everything lies in arrays of a fixed size: nothing is allocated, and
 * no key keeps the chunk that it came with.
 */
export class FrequentKeys {
  /** Above the floor: how often, at the least. */
  readonly #counts: Uint32Array;
  readonly #hashes: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #lengths: Uint8Array;
  /** Chains of the counters whose hashes end alike. */
  readonly #heads: Int16Array;
  readonly #nexts: Int16Array;
  readonly #mask: number;
  #floor = 0;
  #search = 0;

  constructor(capacity: number) {
    this.#counts = new Uint32Array(capacity);
    this.#hashes = new Uint32Array(capacity);
    this.#bytes = new Uint8Array(capacity * KEY_BYTES_MAX);
    this.#lengths = new Uint8Array(capacity);
    const chains = 2 ** Math.ceil(Math.log2(2 * capacity));
    this.#mask = chains - 1;
    this.#heads = new Int16Array(chains).fill(NONE);
    this.#nexts = new Int16Array(capacity);
  }

  take(key: Uint8Array): void {
    if (key.length === 0 || key.length > KEY_BYTES_MAX) return;
    const hash = hashOf(key);
    const hashes = this.#hashes;
    const nexts = this.#nexts;
    let at = this.#heads[hash & this.#mask] ?? NONE;
    while (at !== NONE) {
      if (hashes[at] === hash && this.#isAt(at, key)) {
        this.#counts[at] = (this.#counts[at] ?? 0) + 1;
        return;
      }
      at = nexts[at] ?? NONE;
    }
    const free = this.#free();
    if (free !== NONE) this.#put(free, key, hash);
  }

  /** In no order. */
  all(): FrequentKey[] {
    const found: FrequentKey[] = [];
    for (const [at, length] of this.#lengths.entries()) {
      const count = (this.#counts[at] ?? 0) - this.#floor;
      const start = at * KEY_BYTES_MAX;
      if (count > 0) found.push({ key: this.#bytes.slice(start, start + length), count });
    }
    return found;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#lengths.fill(0);
    this.#heads.fill(NONE);
    this.#floor = 0;
    this.#search = 0;
  }

  /** A counter that stands at zero; without one, all fall, and there is none. */
  #free(): number {
    const counts = this.#counts;
    const floor = this.#floor;
    let at = this.#search;
    while (at < counts.length && (counts[at] ?? 0) > floor) at += 1;
    if (at < counts.length) {
      this.#search = at + 1;
      return at;
    }
    this.#floor += 1;
    this.#search = 0;
    return NONE;
  }

  #put(at: number, key: Uint8Array, hash: number): void {
    if (this.#lengths[at] !== 0) this.#unchain(at);
    this.#counts[at] = this.#floor + 1;
    this.#hashes[at] = hash;
    this.#lengths[at] = key.length;
    this.#bytes.set(key, at * KEY_BYTES_MAX);
    const heads = this.#heads;
    const chain = hash & this.#mask;
    this.#nexts[at] = heads[chain] ?? NONE;
    heads[chain] = at;
  }

  #unchain(at: number): void {
    const nexts = this.#nexts;
    const chain = (this.#hashes[at] ?? 0) & this.#mask;
    const next = nexts[at] ?? NONE;
    let before = this.#heads[chain] ?? NONE;
    if (before === at) {
      this.#heads[chain] = next;
      return;
    }
    while (nexts[before] !== at) before = nexts[before] ?? NONE;
    nexts[before] = next;
  }

  #isAt(at: number, key: Uint8Array): boolean {
    if (this.#lengths[at] !== key.length) return false;
    const bytes = this.#bytes;
    const start = at * KEY_BYTES_MAX;
    let index = key.length - 1;
    while (index >= 0 && bytes[start + index] === key[index]) index -= 1;
    return index < 0;
  }
}

/** FNV-1a of the last bytes, and the length. */
function hashOf(key: Uint8Array): number {
  let hash = 0x811c_9dc5 ^ key.length;
  for (let index = Math.max(0, key.length - HASHED_BYTES); index < key.length; index++) {
    hash = Math.imul(hash ^ (key[index] ?? 0), 0x0100_0193);
  }
  return hash >>> 0;
}
