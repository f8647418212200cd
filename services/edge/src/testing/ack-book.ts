import { type Position, formatPosition } from "@millrace/schemas";
import type { CursorHolder } from "@millrace/schemas/record";
import { positionOf } from "./message-archive.ts";

interface Entry {
  /** Asked to be stored, in this order. */
  readonly requested: string[];
  /** Said to be stored: the newest of the incarnation in which something was stored last. */
  confirmed: Position | undefined;
}

/**
 * What one session has acknowledged, over all its connections. A cursor never leads what was asked
 * for, and never trails what was said to be stored.
 */
export class AckBook {
  readonly holder: CursorHolder;
  readonly #entries = new Map<string, Entry>();

  constructor(session: string) {
    this.holder = { kind: "session", id: session };
  }

  hasAny(conversation: string): boolean {
    return this.#entries.has(conversation);
  }

  /** Returns what is called when the server says that it is stored. */
  requested(conversation: string, position: Position): () => void {
    const entry = this.#entries.get(conversation) ?? { requested: [], confirmed: undefined };
    this.#entries.set(conversation, entry);
    entry.requested.push(formatPosition(position));
    return () => {
      const { confirmed } = entry;
      const isSame =
        confirmed?.epoch === position.epoch && confirmed.partition === position.partition;
      if (!isSame || position.offset > confirmed.offset) entry.confirmed = position;
    };
  }

  /** What a request that is made now can rely on. */
  confirmed(conversation: string): Position | undefined {
    return this.#entries.get(conversation)?.confirmed;
  }

  /** Whether a subscription from the cursor may begin there, that was asked for with that known. */
  judge(conversation: string, pos: string, confirmed: Position | undefined): void {
    const requested = this.#entries.get(conversation)?.requested ?? [];
    // Nothing need have been stored: then it is as if nothing had been acknowledged.
    if (confirmed === undefined) return;
    if (!requested.includes(pos)) throw new Error(`${pos} was never acknowledged`);
    const { epoch, partition, offset } = positionOf(pos);
    const isSame = epoch === confirmed.epoch && partition === confirmed.partition;
    if (isSame && offset < confirmed.offset) {
      throw new Error(`${pos} is before ${formatPosition(confirmed)}, which was stored`);
    }
  }
}
