import type { Clock } from "@millrace/runtime";
import type { RedisHealth } from "../redis/redis-health.ts";

/** Where whole blocks are kept for all edges; whatever it does not have is not known, never none. */
export interface BlockStore {
  /** Undefined: it did not answer; null: it is not there. Never rejects. */
  read(key: string): Promise<Buffer | null | undefined>;
  /** Sooner or later, or never. */
  write(key: string, block: Buffer): void;
  /** What stands there is wrong. False: it could not be reached. */
  forget(key: string): Promise<boolean>;
}

/** So many blocks wait for their turn, of some ten kB each; beyond it they are not written. */
const WAITING_MAX = 64;

/**
 * All edges have the same block in the same moment. Each waits a while by chance, so that most find it
 * there already, and don't send it.
 */
const SPREAD_MS = 2_000;

export interface RedisBlockStoreOptions {
  readonly health: RedisHealth;
  readonly clock: Clock;
  readonly random: () => number;
  readonly keepMs: number;
}

/** Blocks in Redis, each in a key of its own. */
export class RedisBlockStore implements BlockStore {
  readonly #options: RedisBlockStoreOptions;
  readonly #waiting = new Map<string, Buffer>();

  constructor(options: RedisBlockStoreOptions) {
    this.#options = options;
  }

  read(key: string): Promise<Buffer | null | undefined> {
    return this.#options.health.ask(key, (client) => client.getBuffer(key));
  }

  write(key: string, block: Buffer): void {
    const { clock, random } = this.#options;
    if (this.#waiting.size >= WAITING_MAX) return;
    this.#waiting.set(key, block);
    clock.after(random() * SPREAD_MS, () => void this.#write(key));
  }

  async forget(key: string): Promise<boolean> {
    this.#waiting.delete(key);
    const answer = await this.#options.health.ask(key, (client) => client.getdel(key));
    return answer !== undefined;
  }

  /** Never rejects. */
  async #write(key: string): Promise<void> {
    const { health, keepMs } = this.#options;
    const block = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (block === undefined) return;
    // Says whether it is there, without sending it.
    const isThere = await health.ask(key, (client) => client.pexpire(key, keepMs));
    if (isThere !== 0) return;
    await health.ask(key, (client) => client.set(key, block, "PX", keepMs, "NX"));
  }
}
