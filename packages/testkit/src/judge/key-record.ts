/** A key of a sender in a conversation, and where it first stands. */
export interface KeyRecord {
  readonly pos: string;
  readonly mark: string | undefined;
  isAcknowledged: boolean;
}

/** A retry comes within seconds; older keys are forgotten, so that memory stays per sender. */
const KEYS_PER_SENDER = 256;

/** The newest keys of one sender in one conversation. */
export class SenderKeys {
  readonly #records = new Map<string, KeyRecord>();
  /** Keys that are numbers count up. */
  #highest = -1;

  get(key: string): KeyRecord | undefined {
    return this.#records.get(key);
  }

  add(key: string, record: KeyRecord): void {
    this.#records.set(key, record);
    if (this.#records.size <= KEYS_PER_SENDER) return;
    for (const oldest of this.#records.keys()) {
      this.#records.delete(oldest);
      return;
    }
  }

  /** The number that a key should not stand behind, if it does. */
  overtakenBy(key: string): number | undefined {
    if (!/^\d+$/.test(key)) return undefined;
    const number = Number(key);
    if (number <= this.#highest) return this.#highest;
    this.#highest = number;
    return undefined;
  }
}
