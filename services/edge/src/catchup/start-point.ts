import { type Log, recordsOf } from "@millrace/log";
import type { ConversationId, ErrorCode, From } from "@millrace/schemas";
import { parsePosition } from "@millrace/schemas";
import { messageFrame } from "../hub/message-frame.ts";
import { type Told, told } from "../hub/told.ts";
import type { EdgeLimits } from "../limits.ts";
import type { CursorKey } from "@millrace/schemas/record";
import type { Cursors } from "../session/cursors.ts";

export type StartPoint =
  | { readonly kind: "start"; readonly at: Told }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly message: string };

export interface StartPointOptions {
  readonly log: Log;
  readonly cursors: Cursors;
  readonly limits: EdgeLimits;
}

const SCAN_OFFSETS_MIN = 8_192n;
const SCAN_OFFSETS_MAX = 65_536n;

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

  /** Looks back from the tail in growing steps until the newest `count` messages are found. */
  async #last(count: number, tail: Told, conversation: ConversationId): Promise<StartPoint> {
    const bounds = await this.#options.log.bounds(tail.partition);
    if (bounds.kind === "unavailable" || bounds.epoch !== tail.epoch) return UNAVAILABLE;
    let found: bigint[] = [];
    let upTo = tail.offset;
    for (let step = SCAN_OFFSETS_MIN; upTo > bounds.startOffset; step *= 2n) {
      const size = step < SCAN_OFFSETS_MAX ? step : SCAN_OFFSETS_MAX;
      const from = upTo - size > bounds.startOffset ? upTo - size : bounds.startOffset;
      const older = await this.#messagesBetween(tail, from, upTo, conversation);
      if (older === undefined) return UNAVAILABLE;
      found = [...older, ...found];
      const first = found[found.length - count];
      if (first !== undefined) return startAt(tail, first);
      upTo = from;
    }
    return startAt(tail, found[0] ?? tail.offset);
  }

  /** Offsets of the conversation's messages in [from, upTo); undefined: can't be read now. */
  async #messagesBetween(
    tail: Told,
    from: bigint,
    upTo: bigint,
    conversation: ConversationId,
  ): Promise<bigint[] | undefined> {
    const { log, limits } = this.#options;
    const { epoch, partition } = tail;
    const offsets: bigint[] = [];
    for (let offset = from; offset < upTo;) {
      const request = { partition, offset, epoch, waitMs: 0, bytesMax: limits.readBytes };
      const outcome = await log.readFrom(request);
      if (outcome.kind === "below-start") {
        // Retention moves on while we look: what it has passed is not among the newest we can give.
        offset = outcome.startOffset;
        continue;
      }
      if (outcome.kind !== "chunk" || outcome.next === offset) return undefined;
      for (const record of recordsOf(outcome, conversation)) {
        if (record.offset >= upTo) break;
        const frame = messageFrame(record, { epoch, partition, conversation });
        if (!("undecodable" in frame)) offsets.push(record.offset);
      }
      offset = outcome.next;
    }
    return offsets;
  }
}

/** Just before the record at that offset. */
function startAt(tail: Told, offset: bigint): StartPoint {
  return { kind: "start", at: told(tail.epoch, tail.partition, offset) };
}
