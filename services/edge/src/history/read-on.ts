import { type LogChunk, recordsOf } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import { type RecordPlace, messageFrame } from "../hub/message-frame.ts";
import type { MessageFinder, ReadRange } from "../finding/message-finder.ts";
import type { EdgeLimits } from "../limits.ts";

export interface ReadOnOptions {
  readonly finder: MessageFinder;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly place: RecordPlace;
  readonly from: bigint;
  /** Where the log ended when it was asked. */
  readonly endOffset: bigint;
  readonly count: number;
  /** Awaited before each read; false ends it. */
  readonly turn: () => Promise<boolean>;
}

/** The messages of a range [begin, next), all of them. */
export interface ReadOn {
  readonly messages: readonly string[];
  /** Where it began: later than asked where retention had passed the place by then. */
  readonly begin: bigint;
  readonly next: bigint;
  readonly endOffset: bigint;
}

interface Progress {
  readonly messages: string[];
  bytes: number;
  begin: bigint;
  next: bigint;
  endOffset: bigint;
  isFull: boolean;
}

/**
 * Reads a conversation forward until the page is full, the log ends, or its time is over; where it
 * stops, the next page goes on. Undefined: nothing could be read.
 */
export async function readOn(options: ReadOnOptions): Promise<ReadOn | undefined> {
  const { clock, finder, place, limits, from, endOffset, turn } = options;
  const deadlineMs = clock.nowMs() + limits.historyScanMs;
  const progress: Progress = {
    messages: [],
    bytes: 0,
    begin: from,
    next: from,
    endOffset,
    isFull: false,
  };
  while (!progress.isFull && progress.next < progress.endOffset) {
    if (clock.nowMs() >= deadlineMs) break;
    if (!(await turn())) return undefined;
    const range = await finder.forward(place, progress.next, progress.endOffset);
    progress.next = range.from;
    if (range.from === range.upTo || (await readStep(options, progress, range))) continue;
    if (progress.next === from) return undefined;
    break;
  }
  return progress;
}

/** False: it could not go on. */
async function readStep(
  options: ReadOnOptions,
  progress: Progress,
  range: ReadRange,
): Promise<boolean> {
  const { finder, place } = options;
  const outcome = await finder.read(place, range);
  if (outcome.kind === "below-start" && progress.messages.length === 0) {
    progress.begin = outcome.startOffset;
    progress.next = outcome.startOffset;
    return true;
  }
  if (outcome.kind !== "chunk" || outcome.next === range.from) return false;
  progress.endOffset =
    outcome.endOffset > options.endOffset ? outcome.endOffset : options.endOffset;
  take(outcome, options, progress);
  return true;
}

function take(chunk: LogChunk, options: ReadOnOptions, progress: Progress): void {
  const { place, count, limits } = options;
  for (const record of recordsOf(chunk, place.conversation)) {
    const frame = messageFrame(record, place);
    if ("undecodable" in frame) continue;
    const bytes = Buffer.byteLength(frame.fields);
    const { messages } = progress;
    progress.isFull = messages.length > 0 && progress.bytes + bytes > limits.historyBytesMax;
    if (progress.isFull) return;
    messages.push(frame.fields);
    progress.bytes += bytes;
    progress.next = record.offset + 1n;
    progress.isFull = messages.length >= count;
    if (progress.isFull) return;
  }
  progress.next = chunk.next;
}
