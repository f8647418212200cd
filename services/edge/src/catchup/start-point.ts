import type { Log } from "@millrace/log";
import type { ConversationId, ErrorCode, From } from "@millrace/schemas";
import { parsePosition } from "@millrace/schemas";
import { type Told, told } from "../hub/told.ts";
import type { MessageFinder } from "../finding/message-finder.ts";
import type { EdgeLimits } from "../limits.ts";
import type { CursorKey } from "@millrace/schemas/record";
import type { Cursors } from "../session/cursors.ts";
import { lookBack } from "./look-back.ts";

export type StartPoint =
  | { readonly kind: "start"; readonly at: Told }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly message: string };

export interface StartPointOptions {
  readonly log: Log;
  readonly finder: MessageFinder;
  readonly cursors: Cursors;
  readonly limits: EdgeLimits;
}

const UNAVAILABLE: StartPoint = {
  kind: "refused",
  code: "unavailable",
  message: "the log can't be read at the moment",
};

/**
 * Where a subscription begins: docs/protocol.md §4. It says only *after which position*; whether
 * the log still has what follows is found out by reading it, and told as a gap.
 */
export class StartPoints {
  readonly #options: StartPointOptions;

  constructor(options: StartPointOptions) {
    this.#options = options;
  }

  /** `tail` is the tail's position of the conversation's partition when the request was read. */
  async resolve(from: From, tail: Told, cursor: CursorKey): Promise<StartPoint> {
    switch (from.kind) {
      case "live":
        return { kind: "start", at: tail };
      case "after":
        return this.#after(from.text, tail);
      case "acked":
        return this.#acked(tail, cursor);
      case "earliest":
        return this.#earliest(tail);
      case "last":
        return this.#last(from.count, tail, cursor.conversation);
      case "time":
        return this.#time(from.timeMs, tail);
    }
  }

  #after(text: string, tail: Told): StartPoint {
    const position = parsePosition(text);
    // In another incarnation the conversation may have been in another partition.
    const isForeign = position?.epoch === tail.epoch && position.partition !== tail.partition;
    if (position !== undefined && !isForeign) {
      return { kind: "start", at: told(position.epoch, position.partition, position.offset) };
    }
    const message = "the position is not of this conversation's partition";
    return { kind: "refused", code: "bad-position", message };
  }

  /** As `acked`; where nothing was acknowledged, from where it was subscribed. */
  async restored(text: string, tail: Told, cursor: CursorKey): Promise<StartPoint> {
    return this.#acked(tail, cursor, () => this.#after(text, tail));
  }

  async #acked(
    tail: Told,
    key: CursorKey,
    otherwise = (): StartPoint => ({ kind: "start", at: tail }),
  ): Promise<StartPoint> {
    const cursor = await this.#options.cursors.readPatiently(key);
    if (cursor.kind === "none") return otherwise();
    if (cursor.kind === "position") return this.#after(cursor.text, tail);
    const message = "the acknowledged position is not known at the moment";
    return { kind: "refused", code: "unavailable", message };
  }

  async #earliest(tail: Told): Promise<StartPoint> {
    const bounds = await this.#options.log.bounds(tail.partition);
    // In another incarnation than the tail's the conversation may be in another partition.
    if (bounds.kind === "unavailable" || bounds.epoch !== tail.epoch) return UNAVAILABLE;
    return startAt(tail, bounds.startOffset);
  }

  async #time(timeMs: number, tail: Told): Promise<StartPoint> {
    const atMs = Math.min(Math.max(0, Math.ceil(timeMs)), Number.MAX_SAFE_INTEGER);
    const found = await this.#options.log.offsetAtTime(tail.partition, atMs);
    if (found.kind === "unavailable" || found.epoch !== tail.epoch) return UNAVAILABLE;
    // Nothing is that new: from now on. The tail's position may be a little earlier than the end.
    return startAt(tail, found.offset > tail.offset ? tail.offset : found.offset);
  }

  async #last(count: number, tail: Told, conversation: ConversationId): Promise<StartPoint> {
    const { log, finder, limits } = this.#options;
    const bounds = await log.bounds(tail.partition);
    if (bounds.kind === "unavailable" || bounds.epoch !== tail.epoch) return UNAVAILABLE;
    const found = await lookBack({
      finder,
      place: { epoch: tail.epoch, partition: tail.partition, conversation },
      upTo: tail.offset,
      startOffset: bounds.startOffset,
      count,
      bytesMax: limits.readBytes,
      // Only where they stand is wanted; they are read again when they are delivered.
      textOf: () => "",
    });
    if (found.kind !== "found") return UNAVAILABLE;
    return startAt(tail, found.messages[0]?.offset ?? tail.offset);
  }
}

/** Just before the record at that offset. */
function startAt(tail: Told, offset: bigint): StartPoint {
  return { kind: "start", at: told(tail.epoch, tail.partition, offset) };
}
