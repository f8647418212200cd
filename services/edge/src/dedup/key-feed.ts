import type { Log, LogChunk, LogRecord } from "@millrace/log";
import { type Clock, delay } from "@millrace/runtime";
import { type DecodeOutcome, decodeMessage } from "@millrace/schemas/record";
import type { Told } from "../hub/told.ts";
import type { DecodedRecords } from "../tail/decoded-records.ts";
import type { TailFollower } from "../tail/partition-tail.ts";
import type { KeyWindow } from "./key-window.ts";
import { hashOfPublish } from "./publish-id.ts";

export interface KeyFeedOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly window: KeyWindow;
  readonly decoded: DecodedRecords;
  readonly dedupMs: number;
  readonly readBytes: number;
}

const RETRY_MS = 200;

/**
 * Fills the key window of each partition: with what its tail passes, and, from where the tail began,
 * with the `dedupMs` before that, read from the log in the background. Until both have met the
 * window does not say that it covers anything.
 */
export class KeyFeed implements TailFollower {
  readonly #options: KeyFeedOptions;
  /** The start of the run that the partition's tail is in: a fill for another one is over. */
  readonly #runs = new Map<number, Told>();
  #fills = 0;
  #isStopped = false;

  constructor(options: KeyFeedOptions) {
    this.#options = options;
  }

  /** Whether nothing is being filled. */
  get isSettled(): boolean {
    return this.#fills === 0;
  }

  began(partition: number, position: Told): void {
    this.#runs.set(partition, position);
    this.#options.window.reset(partition, position.epoch);
    this.#fills += 1;
    void this.#fill(partition, position).finally(() => {
      this.#fills -= 1;
    });
  }

  passed(chunk: LogChunk): void {
    const outcomes = this.#options.decoded.of(chunk);
    for (const [index, record] of chunk.records.entries()) {
      this.#addDecoded(chunk.partition, record, outcomes[index]);
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Never rejects: what can't be read is tried again until the run is over. */
  async #fill(partition: number, run: Told): Promise<void> {
    const { window, dedupMs, clock } = this.#options;
    let start = await this.#start(partition, run);
    while (start === undefined && this.#isRunning(partition, run)) {
      await delay(clock, RETRY_MS);
      start = await this.#start(partition, run);
    }
    if (start === undefined) return;
    if (start.newestMs !== undefined) window.begin(partition, start.newestMs);
    await this.#read(partition, run, start.offset);
    if (!this.#isRunning(partition, run)) return;
    const { newestMs } = start;
    window.known(partition, start.isWhole ? -Infinity : (newestMs ?? -Infinity) - dedupMs);
  }

  async #read(partition: number, run: Told, from: bigint): Promise<void> {
    const { log, clock, readBytes } = this.#options;
    let offset = from;
    while (offset < run.offset && this.#isRunning(partition, run)) {
      const { epoch } = run;
      const chunk = await log.readFrom({
        partition,
        offset,
        epoch,
        waitMs: 0,
        bytesMax: readBytes,
      });
      if (chunk.kind === "chunk" && chunk.next > offset) {
        // What lies behind the run's start has come, or will come, by the tail.
        const older = chunk.records.filter((record) => record.offset < run.offset);
        for (const record of older) this.#add(partition, record);
        offset = chunk.next;
        // A long fill takes turns with everything else.
        await new Promise<void>((resolve) => clock.endOfTurn(resolve));
      } else if (chunk.kind === "below-start") offset = chunk.startOffset;
      else if (chunk.kind === "other-epoch" || chunk.kind === "beyond-end") return;
      else await delay(clock, RETRY_MS);
    }
  }

  /**
   * Where the newest `dedupMs` begin, counted back from the last record before the run, so that the
   * edge's own clock does not matter. Undefined: not known at the moment.
   */
  async #start(
    partition: number,
    run: Told,
  ): Promise<{ offset: bigint; isWhole: boolean; newestMs?: number } | undefined> {
    const { log, dedupMs, readBytes } = this.#options;
    const bounds = await log.bounds(partition);
    if (bounds.kind === "unavailable") return undefined;
    const whole = { offset: bounds.startOffset, isWhole: true };
    if (bounds.epoch !== run.epoch || run.offset <= bounds.startOffset) return whole;
    const last = await log.readFrom({
      partition,
      epoch: run.epoch,
      offset: run.offset - 1n,
      waitMs: 0,
      bytesMax: readBytes,
    });
    if (last.kind === "unavailable") return undefined;
    const newestMs = last.kind === "chunk" ? last.records[0]?.timestampMs : undefined;
    // No record there (a control record, an aborted one): the whole log is read instead.
    if (newestMs === undefined) return whole;
    const start = await log.offsetAtTime(partition, newestMs - dedupMs);
    if (start.kind === "unavailable") return undefined;
    if (start.epoch !== run.epoch || start.offset <= bounds.startOffset)
      return { ...whole, newestMs };
    return { offset: start.offset, isWhole: false, newestMs };
  }

  #isRunning(partition: number, run: Told): boolean {
    return !this.#isStopped && this.#runs.get(partition) === run;
  }

  #add(partition: number, record: LogRecord): void {
    if (record.value !== null) this.#addDecoded(partition, record, decodeMessage(record.value));
  }

  #addDecoded(
    partition: number,
    { offset, timestampMs }: LogRecord,
    decoded: DecodeOutcome | undefined,
  ): void {
    if (decoded?.kind !== "message" || decoded.message.key === null) return;
    const { conversation, sender, key } = decoded.message;
    const hash = hashOfPublish({ conversation, sender, key });
    this.#options.window.add(partition, { hash, offset, timestampMs });
  }
}
