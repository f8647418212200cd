import type { Log } from "@millrace/log";
import { type FrameRefusal, type Position, formatPosition } from "@millrace/schemas";
import type { Tails } from "../tail/tails.ts";
import type { CursorKey } from "@millrace/schemas/record";
import type { Cursors } from "./cursors.ts";

export type AcknowledgeOutcome =
  | { readonly kind: "stored"; readonly pos: string }
  | { readonly kind: "refused"; readonly refusal: FrameRefusal };

const BAD_POSITION: AcknowledgeOutcome = {
  kind: "refused",
  refusal: {
    code: "bad-position",
    message: "beyond the end of the log, or of another incarnation or partition",
  },
};

const UNAVAILABLE: AcknowledgeOutcome = {
  kind: "refused",
  refusal: { code: "unavailable", message: "the position can't be stored at the moment" },
};

/** Checks an acknowledged position against the log before a cursor may move there. */
export class Acknowledgements {
  readonly #log: Log;
  readonly #tails: Tails;
  readonly #cursors: Cursors;

  constructor(options: { readonly log: Log; readonly tails: Tails; readonly cursors: Cursors }) {
    this.#log = options.log;
    this.#tails = options.tails;
    this.#cursors = options.cursors;
  }

  /** Never rejects. */
  async take(key: CursorKey, position: Position): Promise<AcknowledgeOutcome> {
    const partition = this.#tails.partitionOf(key.conversation);
    if (partition === undefined) return UNAVAILABLE;
    const { epoch } = this.#log;
    if (position.partition !== partition || position.epoch !== epoch?.id) return BAD_POSITION;
    const isWithin = await this.#isWithinLog(position);
    if (isWithin === undefined) return UNAVAILABLE;
    if (!isWithin) return BAD_POSITION;
    const isStored = await this.#cursors.acknowledge(key, position);
    return isStored ? { kind: "stored", pos: formatPosition(position) } : UNAVAILABLE;
  }

  /** A user's connection has ended: what it acknowledged is written now. Never rejects. */
  flush(user: string): Promise<void> {
    return this.#cursors.flush(user);
  }

  /** Up to the tail's position nothing need be asked; the client may have read further elsewhere. */
  async #isWithinLog(position: Position): Promise<boolean | undefined> {
    const tail = this.#tails.position(position.partition);
    if (tail?.epoch === position.epoch && position.offset <= tail.offset) return true;
    const bounds = await this.#log.bounds(position.partition);
    if (bounds.kind === "unavailable") return undefined;
    return bounds.epoch === position.epoch && position.offset <= bounds.endOffset;
  }
}
