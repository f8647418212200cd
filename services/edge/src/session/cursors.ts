import { type Clock, delay } from "@millrace/runtime";
import { type Position, formatPosition, parsePosition } from "@millrace/schemas";
import type { CursorKey } from "@millrace/schemas/record";
import type { EdgeLimits } from "../limits.ts";
import { isNewer, nameOf } from "./cursor-fold.ts";
import type { CursorJournal } from "./cursor-journal.ts";
import type { CursorStore } from "./cursor-store.ts";

export type CursorOutcome =
  | { readonly kind: "position"; readonly text: string }
  /** Nothing was ever acknowledged. */
  | { readonly kind: "none" }
  /** It can't be known at the moment; nobody may take that for `none`. */
  | { readonly kind: "unknown" };

const PATIENCE_POLL_MS = 100;

interface Pending {
  readonly key: CursorKey;
  position: Position;
  /** Hear whether the store has it. */
  waiting: ((isStored: boolean) => void)[];
}

export interface CursorsOptions {
  readonly store: CursorStore;
  readonly journal: CursorJournal;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
}

/**
 * Acknowledged positions on their way into the store. Those of one cursor are folded to the newest
 * for `cursorFoldMs`, so that a busy reader costs a few writes a second; while the store is away
 * they stay folded, at most `pendingCursorsMax` of them, and are written when it is back. The store
 * compares, so that a late write never moves a cursor back.
 */
export class Cursors {
  readonly #options: CursorsOptions;
  #pending = new Map<string, Pending>();
  #writing: Promise<void> | undefined;
  #isScheduled = false;

  constructor(options: CursorsOptions) {
    this.#options = options;
  }

  /** How many cursors wait for the store. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Everything of that conversation up to the position is processed. Resolves once stored. */
  acknowledge(key: CursorKey, position: Position): Promise<boolean> {
    const name = nameOf(key);
    let pending = this.#pending.get(name);
    if (pending === undefined) {
      if (this.#pending.size >= this.#options.limits.pendingCursorsMax) {
        return Promise.resolve(false);
      }
      pending = { key, position, waiting: [] };
      this.#pending.set(name, pending);
    } else if (isNewer(position, pending.position)) pending.position = position;
    const { waiting } = pending;
    this.#options.journal.note(key, position);
    this.#schedule();
    return new Promise((resolve) => waiting.push(resolve));
  }

  /** As `read`; what can't be known yet is waited for, up to `cursorPatienceMs`. */
  async readPatiently(key: CursorKey): Promise<CursorOutcome> {
    const { clock, limits } = this.#options;
    const untilMs = clock.nowMs() + limits.cursorPatienceMs;
    for (;;) {
      const outcome = await this.read(key);
      if (outcome.kind !== "unknown" || clock.nowMs() >= untilMs) return outcome;
      await delay(clock, PATIENCE_POLL_MS);
    }
  }

  /** The newest acknowledged position, also one that is not stored yet. */
  async read(key: CursorKey): Promise<CursorOutcome> {
    // A write that is out may or may not be seen by the read: let it come home first.
    await this.#writing;
    const pending = this.#pending.get(nameOf(key));
    const stored = await this.#options.store.read(key);
    if (pending === undefined || stored.kind === "unknown") return stored;
    const known = stored.kind === "position" ? parsePosition(stored.text) : undefined;
    if (known !== undefined && !isNewer(pending.position, known)) return stored;
    return { kind: "position", text: formatPosition(pending.position) };
  }

  /** Writes what is folded, now: into the store and the topic, all or one user's. */
  async flush(user?: string): Promise<void> {
    await this.#writing;
    await Promise.all([this.#write(), this.#options.journal.flush(user)]);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const { clock, limits } = this.#options;
    clock.after(limits.cursorFoldMs, () => {
      this.#isScheduled = false;
      this.#writing ??= this.#write().finally(() => {
        this.#writing = undefined;
        if (this.#pending.size > 0) this.#schedule();
      });
    });
  }

  async #write(): Promise<void> {
    const batch = this.#pending;
    this.#pending = new Map();
    const writes = [...batch.values()];
    const stored = await this.#options.store.write(writes);
    for (const [index, write] of writes.entries()) {
      const isStored = stored[index] === true;
      for (const resolve of write.waiting) resolve(isStored);
      if (!isStored) this.#keep({ ...write, waiting: [] });
    }
  }

  /** What the store did not take is folded with what came since. */
  #keep(write: Pending): void {
    const name = nameOf(write.key);
    const newer = this.#pending.get(name);
    if (newer === undefined) this.#pending.set(name, write);
    else if (isNewer(write.position, newer.position)) newer.position = write.position;
  }
}
