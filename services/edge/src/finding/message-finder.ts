import type { Log, ReadOutcome } from "@millrace/log";
import type { EdgeMetrics } from "../metrics.ts";
import type { BlockIndex } from "./block-index.ts";
import type { LogPlace } from "./block-shelf.ts";
import type { Extent } from "./block.ts";

/** A conversation in one partition of one incarnation. */
export interface Ground extends LogPlace {
  readonly conversation: string;
}

/** What has to be read of the log next: [from, upTo). Empty: there is nothing to read in what was asked. */
export interface ReadRange {
  readonly from: bigint;
  readonly upTo: bigint;
  /** What one read of it should ask for. */
  readonly bytesMax: number;
  /** Each message of it is known; otherwise it may hold anything. */
  readonly isKnown: boolean;
}

export interface MessageFinderOptions {
  readonly log: Log;
  readonly index: BlockIndex;
  readonly metrics: EdgeMetrics;
  /** Size of one read where nothing is known. */
  readonly readBytes: number;
}

/**
 * Two messages are read together where no more than this lies between them: decoding so much costs
 * about as much as a read of its own.
 */
const MERGE_BYTES = 65_536;

/** As many go into one range: who reads more asks again. */
const MESSAGES_MAX = 1_024;

/** What a record has beside key and value: headers, framing. */
const RECORD_OVERHEAD_BYTES = 80;
/** Records differ in size, and a fetch begins with a whole batch. */
const SLACK_BYTES = 16_384;

/** Blocks that a count looks through; what is missed beyond it is not known. */
const COUNT_BLOCKS_MAX = 1_000;

/**
 * Says which parts of the log have to be read for one conversation, so that a read costs what stands
 * in it, and not what others wrote meanwhile. What is not known is read as a whole.
 *
 * Every call asks the store at most once, so that whoever waits can look around in between.
 */
export class MessageFinder {
  readonly #options: MessageFinderOptions;

  constructor(options: MessageFinderOptions) {
    this.#options = options;
  }

  /** Reads on from that offset, for whoever shall know what stands there. */
  async read({ epoch, partition }: LogPlace, range: ReadRange): Promise<ReadOutcome> {
    const { log, index, metrics } = this.#options;
    const { from: offset, bytesMax, isKnown } = range;
    metrics.catchUpReads.inc({ by: isKnown ? "index" : "scan" });
    const outcome = await log.readFrom({ partition, offset, epoch, waitMs: 0, bytesMax });
    if (outcome.kind === "chunk") index.scanned(outcome);
    return outcome;
  }

  /** A read where nothing is asked of the index. */
  at(offset: bigint): ReadRange {
    return this.#unknown(offset, offset, offset);
  }

  /** The first range in [from, upTo) that may hold messages; what lies before it holds none. */
  async forward(ground: Ground, from: bigint, upTo: bigint): Promise<ReadRange> {
    const { index } = this.#options;
    const hash = this.#hash(ground);
    let hasAsked = false;
    let at = from;
    while (at < upTo) {
      const extent = index.extentAt(ground, at);
      if (extent !== undefined) {
        const offsets = extent.offsetsOf(hash, { from: at, upTo, most: MESSAGES_MAX });
        if (offsets.length > 0) return this.#firstOf(offsets, extent);
        at = extent.next;
      } else if (hasAsked) {
        // What was asked for and is not there has to be read; what lies before it need not be.
        const isFirst = at === from;
        return isFirst ? this.#unknown(at, upTo, index.blockEnd(at)) : nothingBefore(at);
      } else {
        await index.load(ground, at, upTo - 1n);
        hasAsked = true;
      }
    }
    return nothingBefore(upTo);
  }

  /** The last range in [start, upTo) that holds the newest `count`; what lies behind it holds none. */
  async backward(
    ground: Ground,
    range: { readonly start: bigint; readonly upTo: bigint },
    count: number,
  ): Promise<ReadRange> {
    const { index } = this.#options;
    const { start, upTo } = range;
    const hash = this.#hash(ground);
    let hasAsked = false;
    let at = upTo;
    while (at > start) {
      const extent = index.extentAt(ground, at - 1n);
      if (extent !== undefined) {
        const offsets = extent.offsetsOf(hash, { from: start, upTo: at });
        if (offsets.length > 0) return this.#lastOf(offsets.slice(-count), extent);
        at = extent.from;
      } else if (hasAsked) {
        const from = index.blockStart(at - 1n);
        const isFirst = at === upTo;
        return isFirst ? this.#unknown(from > start ? from : start, at, at) : nothingBefore(at);
      } else {
        await index.load(ground, at - 1n, start);
        hasAsked = true;
      }
    }
    return nothingBefore(start);
  }

  /** How many messages stand in [from, upTo); undefined: not known. */
  async count(ground: Ground, from: bigint, upTo: bigint): Promise<number | undefined> {
    const hash = this.#hash(ground);
    let count = 0;
    let at = from;
    for (let blocks = 0; at < upTo && blocks < COUNT_BLOCKS_MAX; blocks++) {
      const extent = await this.#extent(ground, at, upTo);
      if (extent === undefined) return undefined;
      count += extent.offsetsOf(hash, { from: at, upTo }).length;
      at = extent.next;
    }
    return at < upTo ? undefined : count;
  }

  /** The same, as far as memory knows. */
  countNow(ground: Ground, from: bigint, upTo: bigint): number | undefined {
    const hash = this.#hash(ground);
    let count = 0;
    for (let at = from; at < upTo;) {
      const extent = this.#options.index.extentAt(ground, at);
      if (extent === undefined) return undefined;
      count += extent.offsetsOf(hash, { from: at, upTo }).length;
      at = extent.next;
    }
    return count;
  }

  async #extent(ground: Ground, at: bigint, upTo: bigint): Promise<Extent | undefined> {
    const { index } = this.#options;
    const extent = index.extentAt(ground, at);
    if (extent !== undefined) return extent;
    await index.load(ground, at, upTo - 1n);
    return index.extentAt(ground, at);
  }

  #hash({ conversation }: Ground): number {
    return this.#options.index.hashOf(Buffer.from(conversation));
  }

  #unknown(from: bigint, upTo: bigint, end: bigint): ReadRange {
    const { readBytes: bytesMax } = this.#options;
    return { from, upTo: end < upTo ? end : upTo, bytesMax, isKnown: false };
  }

  /** The first of them, and those that are close behind it. */
  #firstOf(offsets: readonly bigint[], extent: Extent): ReadRange {
    const reach = reachOf(extent);
    const end = offsets.findIndex(
      (offset, index) => offset - (offsets[index - 1] ?? offset) > reach,
    );
    return this.#known(end < 0 ? offsets : offsets.slice(0, end), extent);
  }

  /** The last of them, and those that are close before it. */
  #lastOf(offsets: readonly bigint[], extent: Extent): ReadRange {
    const reach = reachOf(extent);
    const first = offsets.findLastIndex(
      (offset, index) => offset - (offsets[index - 1] ?? offset) > reach,
    );
    return this.#known(first < 0 ? offsets : offsets.slice(first), extent);
  }

  #known(offsets: readonly bigint[], { bytesPerOffset }: Extent): ReadRange {
    const from = offsets[0] ?? 0n;
    const upTo = (offsets.at(-1) ?? from) + 1n;
    const estimate = Number(upTo - from) * (bytesPerOffset + RECORD_OVERHEAD_BYTES) + SLACK_BYTES;
    const bytesMax = Math.min(this.#options.readBytes, Math.ceil(estimate));
    return { from, upTo, bytesMax, isKnown: true };
  }
}

function reachOf({ bytesPerOffset }: Extent): bigint {
  return BigInt(Math.max(1, Math.floor(MERGE_BYTES / (bytesPerOffset + RECORD_OVERHEAD_BYTES))));
}

function nothingBefore(offset: bigint): ReadRange {
  return { from: offset, upTo: offset, bytesMax: 0, isKnown: true };
}
