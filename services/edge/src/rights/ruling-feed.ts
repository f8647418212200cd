import type { Log, LogChunk, LogRecord } from "@millrace/log";
import { type Clock, type Logger, delay } from "@millrace/runtime";
import type { EpochId } from "@millrace/schemas";
import {
  type ControlRecord,
  type RulingSubject,
  decodeControl,
  orderText,
  subjectText,
} from "@millrace/schemas/record";
import type { EdgeMetrics } from "../metrics.ts";
import type { OrderWord } from "../orders/orders.ts";
import { CONTROL_PARTITION } from "./control-appender.ts";
import type { Rulings } from "./rulings.ts";

export interface RulingFeedOptions {
  /** The topic of rulings, and of orders. */
  readonly log: Log;
  readonly rulings: Rulings;
  /** Hears of the orders that stand among the rulings: at first of the whole, then as they come. */
  readonly orders: { take(words: Iterable<OrderWord>): void };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<EdgeMetrics, "recordsSkipped">;
  readonly limits: { readonly rulingsMax: number; readonly readBytes: number };
  /** Something was ruled, or lifted, about each of these subjects, and holds already. */
  readonly onRuled: (subjects: readonly RulingSubject[]) => void;
  /** There are more rulings than fit: whatever is not known here must not be acted on. */
  readonly onFull: () => void;
}

/** One record's word: a ruling, or undefined where one is lifted. */
interface Word {
  readonly subject: RulingSubject;
  readonly record: ControlRecord | undefined;
}

/** What a chunk says, by what it is about. */
interface Words {
  readonly rulings: readonly Word[];
  readonly orders: readonly OrderWord[];
}

interface Place {
  readonly epoch: EpochId;
  offset: bigint;
}

const POLL_MS = 5_000;
/** Well within the second in which a ruling takes effect once it can be read. */
const RETRY_MS = 250;
const FULL_RETRY_MS = 5_000;

/**
 * Follows the topic of rulings, from its start and for as long as the edge lives. It reads Kafka
 * alone, so that nothing here depends on Redis.
 *
 * Invariant: once `whenWhole` has resolved, the rulings are the fold of everything up to a place
 * behind the log's end of that moment, and each later record is applied, in order, as it is read.
 * While the log can't be read what is known holds. The whole is gathered before any of it is
 * applied, so that no word that a later one has taken back takes effect. A log that is not the one
 * that was read (made anew, cut off) is read as a whole again, on top of what is known: nothing is
 * lifted because its record is gone. Orders share the topic, its one order and this invariant, and
 * nothing else: they are kept elsewhere, and never stop an edge.
 */
export class RulingFeed {
  readonly #options: RulingFeedOptions;
  readonly #stop = new AbortController();
  readonly #whole: Promise<void>;
  #resolveWhole: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #isWhole = false;
  #isFull = false;
  #heardMs: number;

  constructor(options: RulingFeedOptions) {
    this.#options = options;
    this.#heardMs = options.clock.nowMs();
    this.#whole = new Promise((resolve) => {
      this.#resolveWhole = resolve;
    });
  }

  /** Everything that the log had when it was last asked holds here. */
  get isWhole(): boolean {
    return this.#isWhole && !this.#isFull;
  }

  /** Since the log last answered; a quiet one does every 5 s. */
  get silenceMs(): number {
    return this.#options.clock.nowMs() - this.#heardMs;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when everything that the log had at some moment since the start holds here. */
  whenWhole(): Promise<void> {
    return this.#whole;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const place = await this.#readWhole();
      if (place !== undefined) await this.#follow(place);
      await this.#pause(this.#isFull ? FULL_RETRY_MS : RETRY_MS);
    }
  }

  /** Where it ends; undefined: not to the end. */
  async #readWhole(): Promise<Place | undefined> {
    const { log, rulings, orders, limits } = this.#options;
    const bounds = await log.bounds(CONTROL_PARTITION);
    if (bounds.kind === "unavailable") return undefined;
    const place: Place = { epoch: bounds.epoch, offset: bounds.startOffset };
    const gathered = new Map<string, Word>();
    const ordered = new Map<string, OrderWord>();
    for (let end = bounds.endOffset; place.offset < end;) {
      const chunk = await this.#read(place, 0);
      if (chunk === undefined) return undefined;
      const words = this.#wordsIn(chunk);
      for (const word of words.orders) ordered.set(orderText(word.subject), word);
      for (const word of words.rulings) {
        const text = subjectText(word.subject);
        const isOfUse = word.record !== undefined || rulings.has(word.subject);
        if (isOfUse) gathered.set(text, word);
        else gathered.delete(text);
      }
      if (gathered.size > limits.rulingsMax + rulings.size) return this.#overflow();
      if (chunk.next === place.offset) await this.#pause(RETRY_MS);
      place.offset = chunk.next;
      if (chunk.endOffset < end) end = chunk.endOffset;
    }
    orders.take(ordered.values());
    // What is lifted makes room for what is ruled.
    const words = [...gathered.values()].toSorted(
      (a, b) => Number(!!a.record) - Number(!!b.record),
    );
    if (!this.#apply(words)) return this.#overflow();
    this.#isFull = false;
    this.#isWhole = true;
    this.#resolveWhole();
    return place;
  }

  /** Until the log is another one, or there are too many. */
  async #follow(place: Place): Promise<void> {
    for (;;) {
      const chunk = await this.#read(place, POLL_MS);
      if (chunk === undefined) return;
      const words = this.#wordsIn(chunk);
      this.#options.orders.take(words.orders);
      if (!this.#apply(words.rulings)) {
        this.#overflow();
        return;
      }
      place.offset = chunk.next;
    }
  }

  /** Waits while the log is away. Undefined: there is nothing at that place to be read on from. */
  async #read(place: Place, waitMs: number): Promise<LogChunk | undefined> {
    const { log, clock, logger, limits } = this.#options;
    const request = { partition: CONTROL_PARTITION, waitMs, bytesMax: limits.readBytes };
    while (!this.#stop.signal.aborted) {
      const outcome = await log.readFrom({ ...request, ...place });
      if (outcome.kind === "chunk") {
        this.#heardMs = clock.nowMs();
        return outcome;
      }
      if (outcome.kind !== "unavailable") {
        const fields = { why: outcome.kind, offset: place.offset.toString() };
        logger.error(fields, "the topic of rulings is not what it was; it is read from its start");
        return undefined;
      }
      await this.#pause(RETRY_MS);
    }
    return undefined;
  }

  #wordsIn(chunk: LogChunk): Words {
    const rulings: Word[] = [];
    const orders: OrderWord[] = [];
    for (const record of chunk.records) {
      const outcome = decodeControl(record.key, record.value);
      switch (outcome.kind) {
        case "ruled":
          rulings.push({ subject: outcome.record.ruling, record: outcome.record });
          break;
        case "lifted":
          rulings.push({ subject: outcome.subject, record: undefined });
          break;
        case "ordered":
          orders.push({ subject: outcome.record.order, record: outcome.record });
          break;
        case "withdrawn":
          orders.push({ subject: outcome.subject, record: undefined });
          break;
        case "undecodable":
          this.#skip(record, outcome.why);
      }
    }
    return { rulings, orders };
  }

  /**
   * Tells of what is ruled together at once, but of two words about one subject singly: each takes
   * effect. False: there is no room for one; those before it were told.
   */
  #apply(words: Iterable<Word>): boolean {
    const { rulings, onRuled } = this.#options;
    let told = new Map<string, RulingSubject>();
    let isRoom = true;
    for (const { subject, record } of words) {
      const text = subjectText(subject);
      if (told.has(text)) {
        onRuled([...told.values()]);
        told = new Map();
      }
      if (record === undefined) rulings.lift(subject);
      else isRoom = rulings.take(record);
      if (!isRoom) break;
      told.set(text, subject);
    }
    if (told.size > 0) onRuled([...told.values()]);
    return isRoom;
  }

  #overflow(): undefined {
    const { limits, logger, onFull } = this.#options;
    logger.error(
      limits,
      "more rulings hold than an edge can keep: it serves nobody until some end",
    );
    this.#isFull = true;
    onFull();
  }

  /** By its place alone: what stands in it is nobody's business here. */
  #skip({ offset }: LogRecord, why: string): void {
    this.#options.metrics.recordsSkipped.inc();
    this.#options.logger.error({ offset: offset.toString(), why }, "ruling skipped");
  }

  #pause(ms: number): Promise<void> {
    return delay(this.#options.clock, ms, this.#stop.signal);
  }
}
