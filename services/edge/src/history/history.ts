import type { Log } from "@millrace/log";
import { type Clock, delay } from "@millrace/runtime";
import {
  type ConversationId,
  type ErrorCode,
  type GapFrame,
  type GapReason,
  type Position,
  formatPosition,
  partitionOf,
} from "@millrace/schemas";
import { lookBack } from "../catchup/look-back.ts";
import type { TurnGate } from "../catchup/turn-gate.ts";
import type { MessageFinder } from "../finding/message-finder.ts";
import type { RecordPlace } from "../hub/message-frame.ts";
import type { EdgeLimits } from "../limits.ts";
import { type Told, isBefore, told } from "../hub/told.ts";
import { readOn } from "./read-on.ts";

/** Which part of a conversation is wanted. */
export type HistoryFrom =
  | { readonly kind: "newest" }
  /** The newest strictly before that message. */
  | { readonly kind: "before"; readonly position: Position }
  | { readonly kind: "after"; readonly position: Position };

export interface HistoryRequest {
  readonly conversation: ConversationId;
  readonly from: HistoryFrom;
  readonly count: number;
  /** What stands before it is not the reader's; undefined: all is. */
  readonly beginning?: Told | undefined;
  /** Aborted: nobody waits for the page any more. */
  readonly signal: AbortSignal;
}

export interface HistoryPage {
  readonly kind: "page";
  /** JSON objects, as `MessageFrame.fields` has them, in log order. */
  readonly messages: readonly string[];
  readonly pos: string;
  readonly head: string;
  readonly gap?: HistoryGap;
}

export type HistoryGap = Pick<GapFrame, "after" | "pos" | "reason" | "missed">;

export type HistoryOutcome =
  | HistoryPage
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly message: string };

export interface HistoryOptions {
  readonly log: Log;
  readonly finder: MessageFinder;
  readonly clock: Clock;
  readonly gate: TurnGate;
  readonly limits: EdgeLimits;
}

/** The partition of a conversation in today's log, and where that begins, for this reader, and ends. */
interface Ground {
  readonly place: RecordPlace;
  readonly startOffset: bigint;
  /** Why there is nothing before the start. */
  readonly missing: "expired" | "forbidden";
  readonly endOffset: bigint;
}

const BOUNDS_RETRY_MS = 250;

const UNAVAILABLE: HistoryOutcome = {
  kind: "refused",
  code: "unavailable",
  message: "the log can't be read at the moment",
};

const MISPLACED: HistoryOutcome = {
  kind: "refused",
  code: "bad-position",
  message: "the position is not of this conversation's partition",
};

/**
 * Pages of a conversation, read from the log in steps that take turns with what is live. The end of
 * the log is asked of its leader each time, so that a page has what was acknowledged before it was
 * asked for, by whichever edge.
 */
export class History {
  readonly #options: HistoryOptions;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  async page(request: HistoryRequest): Promise<HistoryOutcome> {
    const { from } = request;
    const ground = await this.#ground(request);
    if (ground === undefined) return UNAVAILABLE;
    if (from.kind === "newest") return this.#newest(request, ground, ground.endOffset);
    const { epoch, partition } = ground.place;
    // In another incarnation the conversation may have been in another partition.
    if (from.position.epoch === epoch && from.position.partition !== partition) return MISPLACED;
    return from.kind === "before"
      ? this.#before(request, ground, from.position)
      : this.#after(request, ground, from.position);
  }

  async #ground({ conversation, beginning }: HistoryRequest): Promise<Ground | undefined> {
    const { log } = this.#options;
    if (log.epoch === undefined) return undefined;
    const partition = partitionOf(Buffer.from(conversation), log.epoch.partitions);
    const bounds = await log.bounds(partition);
    // Another incarnation may have it in another partition: whoever asks again will find it.
    if (bounds.kind === "unavailable" || bounds.epoch !== log.epoch?.id) return undefined;
    const { epoch, startOffset, endOffset } = bounds;
    const place = { epoch, partition, conversation };
    const ground = { place, startOffset, endOffset, missing: "expired" } as const;
    const start = told(epoch, partition, startOffset);
    if (beginning === undefined || !isBefore(start, beginning)) return ground;
    return { ...ground, startOffset: beginning.offset, missing: "forbidden" };
  }

  async #before(
    request: HistoryRequest,
    ground: Ground,
    position: Position,
  ): Promise<HistoryOutcome> {
    const { place, startOffset, endOffset } = ground;
    if (position.epoch !== place.epoch) {
      // Everything before it was in another log: of this one there is nothing to tell.
      const gap = gapOf(position, place, { reason: "recreated", to: startOffset });
      return { kind: "page", messages: [], pos: gap.pos, head: textAt(place, endOffset), gap };
    }
    // The message itself stands one offset before its position.
    return this.#newest(request, ground, within(position.offset - 1n, startOffset, endOffset));
  }

  async #newest(
    { count, signal }: HistoryRequest,
    { place, startOffset, endOffset }: Ground,
    upTo: bigint,
  ): Promise<HistoryOutcome> {
    const { finder, gate, limits } = this.#options;
    const found = await lookBack({
      finder,
      place,
      upTo,
      startOffset,
      count,
      bytesMax: limits.historyBytesMax,
      textOf: ({ fields }) => fields,
      turn: () => gate.turn().then(() => !signal.aborted),
    });
    if (found.kind !== "found") return UNAVAILABLE;
    const messages = found.messages.map(({ text }) => text);
    return { kind: "page", messages, pos: textAt(place, upTo), head: textAt(place, endOffset) };
  }

  async #after(request: HistoryRequest, seen: Ground, position: Position): Promise<HistoryOutcome> {
    const { finder, clock, gate, limits } = this.#options;
    const ground = await this.#whenReached(request, seen, position);
    if (ground === undefined) return UNAVAILABLE;
    const { place, endOffset } = ground;
    const missing = missingBehind(position, ground);
    const from = missing?.to ?? position.offset;
    const read = await readOn({
      finder,
      clock,
      limits,
      place,
      from,
      endOffset,
      count: request.count,
      turn: () => gate.turn().then(() => !request.signal.aborted),
    });
    if (read === undefined) return UNAVAILABLE;
    // Retention may pass the place before anything is read there.
    const isPassed = read.begin > from;
    const gap = isPassed ? { reason: missing?.reason ?? "expired", to: read.begin } : missing;
    const untold = gap && (await this.#gap(position, place, gap));
    return {
      kind: "page",
      messages: read.messages,
      pos: textAt(place, read.next),
      head: textAt(place, read.endOffset),
      ...(untold && { gap: untold }),
    };
  }

  /** Undefined where it is known that nothing of the conversation is missing. */
  async #gap(
    position: Position,
    place: RecordPlace,
    missing: Missing,
  ): Promise<HistoryGap | undefined> {
    if (missing.reason !== "expired") return gapOf(position, place, missing);
    const missed = await this.#options.finder.count(place, position.offset, missing.to);
    return missed === 0
      ? undefined
      : { ...gapOf(position, place, missing), missed: missed ?? null };
  }

  /** A new leader may not know its end yet: it is asked for a while before it is believed. */
  async #whenReached(
    request: HistoryRequest,
    seen: Ground,
    position: Position,
  ): Promise<Ground | undefined> {
    const { signal } = request;
    const { clock, limits } = this.#options;
    const deadlineMs = clock.nowMs() + limits.truncationPatienceMs;
    let ground: Ground | undefined = seen;
    while (ground !== undefined && isBeyond(position, ground) && clock.nowMs() < deadlineMs) {
      await delay(clock, BOUNDS_RETRY_MS, signal);
      ground = signal.aborted ? undefined : await this.#ground(request);
    }
    return ground;
  }
}

/** What of the log behind a position is not there, and where it goes on. */
interface Missing {
  readonly reason: GapReason;
  readonly to: bigint;
}

function missingBehind(position: Position, ground: Ground): Missing | undefined {
  const { place, startOffset, endOffset, missing } = ground;
  if (position.epoch !== place.epoch) return { reason: "recreated", to: startOffset };
  if (position.offset < startOffset) return { reason: missing, to: startOffset };
  return isBeyond(position, ground) ? { reason: "truncated", to: endOffset } : undefined;
}

function isBeyond({ epoch, offset }: Position, { place, endOffset }: Ground): boolean {
  return epoch === place.epoch && offset > endOffset;
}

function gapOf(position: Position, place: RecordPlace, { reason, to }: Missing): HistoryGap {
  return { after: formatPosition(position), pos: textAt(place, to), reason, missed: null };
}

function textAt({ epoch, partition }: RecordPlace, offset: bigint): string {
  return formatPosition({ epoch, partition, offset });
}

function within(offset: bigint, low: bigint, high: bigint): bigint {
  if (offset < low) return low;
  return offset > high ? high : offset;
}
