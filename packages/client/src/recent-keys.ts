import type { MessageFields } from "@millrace/schemas";

const KEYS_MAX = 1_000;

/**
 * The keys of the newest messages of a conversation. An edge that is frozen in the middle of a
 * write and wakes after its lease can make a second record of the same sender and key
 * (docs/protocol.md §3): the application sees the first one only.
 */
export class RecentKeys {
  /** (sender, key) → the log's time of the first one; the oldest first. */
  readonly #times = new Map<string, number>();

  /** Notes the message; true when it repeats one within the window. */
  isRepeat({ from, key, ts }: MessageFields, windowMs: number): boolean {
    if (key === undefined) return false;
    // A key is printable ASCII, so the first NUL from the right parts the two.
    const name = `${from}\u0000${key}`;
    const firstMs = this.#times.get(name);
    if (firstMs !== undefined && ts - firstMs <= windowMs) return true;
    this.#times.delete(name);
    this.#times.set(name, ts);
    if (this.#times.size > KEYS_MAX) {
      const [oldest = ""] = this.#times.keys();
      this.#times.delete(oldest);
    }
    return false;
  }
}
