import { type LogChunk, recordsOf } from "@millrace/log";
import type { MessageFinder, ReadRange } from "../finding/message-finder.ts";
import { type MessageFrame, type RecordPlace, messageFrame } from "../hub/message-frame.ts";

/** A message that was found, and what is kept of it. */
export interface FoundMessage {
  /** The record's own. */
  readonly offset: bigint;
  readonly text: string;
}

export interface LookBackOptions {
  readonly finder: MessageFinder;
  readonly place: RecordPlace;
  /** Exclusive. */
  readonly upTo: bigint;
  readonly startOffset: bigint;
  readonly count: number;
  /** Of the texts together; the newest message is found whatever its size. */
  readonly bytesMax: number;
  readonly textOf: (frame: MessageFrame) => string;
  /** Awaited before each read; false ends the search. */
  readonly turn?: () => Promise<boolean>;
}

export type LookBackOutcome =
  | { readonly kind: "found"; readonly messages: readonly FoundMessage[] }
  | { readonly kind: "ended" }
  | { readonly kind: "unavailable" };

/**
 * The newest messages of a conversation before an offset, oldest first: looked for from there back,
 * in the ranges that may hold them, each of which is read forward, as the log is.
 */
export async function lookBack(options: LookBackOptions): Promise<LookBackOutcome> {
  const { finder, place, startOffset: start, turn } = options;
  const newest = new NewestMessages(options);
  let { upTo } = options;
  while (upTo > start && !newest.isFull) {
    if (turn !== undefined && !(await turn())) return { kind: "ended" };
    const range = await finder.backward(place, { start, upTo }, newest.missing);
    const older = await readRange(options, range);
    if (!(older instanceof NewestMessages)) return older;
    newest.prepend(older);
    upTo = range.from;
  }
  return { kind: "found", messages: newest.messages };
}

async function readRange(
  options: LookBackOptions,
  range: ReadRange,
): Promise<NewestMessages | { readonly kind: "ended" | "unavailable" }> {
  const { finder, place, turn } = options;
  const newest = new NewestMessages(options);
  for (let { from } = range; from < range.upTo;) {
    if (turn !== undefined && !(await turn())) return { kind: "ended" };
    const outcome = await finder.read(place, { ...range, from });
    if (outcome.kind === "below-start") {
      // Retention moves on while we look: what it has passed is not among the newest we can give.
      from = outcome.startOffset;
      continue;
    }
    if (outcome.kind !== "chunk" || outcome.next === from) return { kind: "unavailable" };
    newest.append(newestIn(outcome, range.upTo, options));
    from = outcome.next;
  }
  return newest;
}

/** From the newest back, so that no more is decoded than is kept. */
function newestIn(chunk: LogChunk, upTo: bigint, options: LookBackOptions): NewestMessages {
  const { place, textOf } = options;
  const newest = new NewestMessages(options);
  const records = recordsOf(chunk, place.conversation);
  for (let index = records.length - 1; index >= 0 && !newest.isFull; index--) {
    const record = records[index];
    if (record === undefined || record.offset >= upTo) continue;
    const frame = messageFrame(record, place);
    if (!("undecodable" in frame)) newest.unshift({ offset: record.offset, text: textOf(frame) });
  }
  return newest;
}

/** A run of messages without a hole, cut at its old end where more would be too many. */
class NewestMessages {
  readonly #count: number;
  readonly #bytesMax: number;
  #messages: FoundMessage[] = [];
  #bytes = 0;
  #isCut = false;

  constructor({ count, bytesMax }: Pick<LookBackOptions, "count" | "bytesMax">) {
    this.#count = count;
    this.#bytesMax = bytesMax;
  }

  get messages(): readonly FoundMessage[] {
    return this.#messages;
  }

  /** How many more there may be. */
  get missing(): number {
    return this.#count - this.#messages.length;
  }

  /** Nothing older will be kept. */
  get isFull(): boolean {
    return this.#isCut || this.#messages.length >= this.#count;
  }

  unshift(message: FoundMessage): void {
    const bytes = Buffer.byteLength(message.text);
    const isTooMuch = this.#messages.length > 0 && this.#bytes + bytes > this.#bytesMax;
    if (this.isFull || isTooMuch) {
      this.#isCut = true;
      return;
    }
    this.#messages.unshift(message);
    this.#bytes += bytes;
  }

  /** What stands directly before. */
  prepend(older: NewestMessages): void {
    for (const message of older.#messages.toReversed()) this.unshift(message);
    this.#isCut ||= older.#isCut;
  }

  /** What stands directly behind; what is older has to make room for it. */
  append(newer: NewestMessages): void {
    if (newer.#messages.length === 0) return;
    const old = new NewestMessages({ count: this.#count, bytesMax: this.#bytesMax });
    old.prepend(newer);
    old.prepend(this);
    this.#messages = old.#messages;
    this.#bytes = old.#bytes;
    this.#isCut = old.#isCut;
  }
}
