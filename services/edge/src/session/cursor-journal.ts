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
  readonly #open = new Map<string, Entry>();
  #isScheduled = false;

  constructor(options: CursorJournalOptions) {
    this.#options = options;
  }

  note(key: CursorKey, position: Position): void {
    const name = nameOf(key);
    const known = this.#open.get(name);
    if (known === undefined && this.#open.size >= this.#options.limits.pendingCursorsMax) return;
    if (known === undefined || isNewer(position, known.position)) {
      this.#open.set(name, { key, position });
    }
    this.#schedule();
  }

  /** Writes what is open, of all or of one user. Resolves when the topic has said what it took. */
  async flush(user?: string): Promise<void> {
    const taken = [...this.#open].filter(([, { key }]) => user === undefined || key.user === user);
    for (const [name] of taken) this.#open.delete(name);
    const isTaken = await Promise.all(taken.map(([, entry]) => this.#append(entry)));
    for (const [index, [, entry]] of taken.entries()) {
      if (isTaken[index] !== true) this.note(entry.key, entry.position);
    }
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
