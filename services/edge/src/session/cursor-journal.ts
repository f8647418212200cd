import type { Log } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import { type Position, partitionOf } from "@millrace/schemas";
import { type CursorKey, cursorRecordKey, encodeCursor } from "@millrace/schemas/record";
import type { EdgeLimits } from "../limits.ts";
import { isNewer, nameOf } from "./cursor-fold.ts";

interface Entry {
  readonly key: CursorKey;
  readonly position: Position;
}

export interface CursorJournalOptions {
  /** The topic of cursors. */
  readonly log: Log;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
}

/**
 * The durable copy of the cursors: the newest position of each goes to the compacted topic, at most
 * once per `cursorJournalMs`. What the topic does not take is kept, folded, and tried again; at most
 * `pendingCursorsMax` of them, and then the newest ones stay in Redis alone.
 */
export class CursorJournal {
  readonly #options: CursorJournalOptions;
  /** By user, so that the end of a connection costs what that user has open. */
  readonly #open = new Map<string, Map<string, Entry>>();
  #size = 0;
  #isScheduled = false;

  constructor(options: CursorJournalOptions) {
    this.#options = options;
  }

  note(key: CursorKey, position: Position): void {
    const own = this.#open.get(key.user) ?? new Map<string, Entry>();
    const name = nameOf(key);
    const known = own.get(name);
    if (known === undefined) {
      if (this.#size >= this.#options.limits.pendingCursorsMax) return;
      this.#size += 1;
    }
    if (known === undefined || isNewer(position, known.position)) own.set(name, { key, position });
    this.#open.set(key.user, own);
    this.#schedule();
  }

  /** Writes what is open, of all or of one user. Resolves when the topic has said what it took. */
  async flush(user?: string): Promise<void> {
    const users = user === undefined ? [...this.#open.keys()] : [user];
    const taken = users.flatMap((name) => this.#take(name));
    const isTaken = await Promise.all(taken.map((entry) => this.#append(entry)));
    for (const [index, entry] of taken.entries()) {
      if (isTaken[index] !== true) this.note(entry.key, entry.position);
    }
  }

  #take(user: string): Entry[] {
    const own = [...(this.#open.get(user)?.values() ?? [])];
    this.#open.delete(user);
    this.#size -= own.length;
    return own;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const { clock, limits } = this.#options;
    clock.after(limits.cursorJournalMs, () => {
      this.#isScheduled = false;
      void this.flush();
    });
  }

  #append({ key, position }: Entry): Promise<boolean> {
    const { log, clock, limits } = this.#options;
    const { epoch } = log;
    if (epoch === undefined) return Promise.resolve(false);
    const recordKey = cursorRecordKey(key);
    const ackedAt = BigInt(Math.trunc(clock.wallMs()));
    return new Promise((resolve) => {
      log.append({
        partition: partitionOf(recordKey, epoch.partitions),
        key: recordKey,
        value: encodeCursor({ key, position, ackedAt }),
        headers: [],
        deadlineMs: clock.nowMs() + limits.publishDeadlineMs,
        onOutcome: ({ kind }) => resolve(kind === "appended"),
      });
    });
  }
}
