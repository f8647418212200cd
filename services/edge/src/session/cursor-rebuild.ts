import { randomUUID } from "node:crypto";
import type { Log } from "@millrace/log";
import { type Clock, type Logger, delay } from "@millrace/runtime";
import type { EpochId } from "@millrace/schemas";
import { decodeCursor } from "@millrace/schemas/record";
import type { EdgeLimits } from "../limits.ts";
import type { CursorJournal } from "./cursor-journal.ts";
import type { CursorWrite, RedisCursorStore } from "./cursor-store.ts";

export interface CursorRebuildOptions {
  /** The topic of cursors. */
  readonly log: Log;
  readonly store: RedisCursorStore;
  readonly journal: CursorJournal;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: EdgeLimits;
  /** The incarnation of the messages that positions are of now. */
  readonly messages: () => EpochId | undefined;
}

const CHECK_MS = 1_000;
const RETRY_MS = 200;
const PROLONG_MS = 2_000;

const YOUNG_PATIENCE_MS = 1_200;

/**
 * Puts the cursors back into a Redis that does not have them all: an empty one, one that was
 * flushed, restarted or promoted, a foreign one. Until that is done they are `unknown`.
 *
 * What was acknowledged shortly before is still on its way to the topic: an edge that has been
 * running waits for it, `cursorJournalMs` and a margin, before it reads. One that has just started
 * gives the others, who look every second, time to claim it first, and then need not wait.
 */
export class CursorRebuilder {
  readonly #options: CursorRebuildOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: CursorRebuildOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, limits } = this.#options;
    await delay(clock, YOUNG_PATIENCE_MS, this.#stop.signal);
    let patienceMs = 0;
    while (!this.#stop.signal.aborted) {
      await this.#check(patienceMs);
      patienceMs = limits.cursorJournalMs + limits.cursorMarginMs;
      await delay(clock, CHECK_MS, this.#stop.signal);
    }
  }

  /** Never rejects: what fails is tried again at the next check. */
  async #check(patienceMs: number): Promise<void> {
    const { store, clock, logger, log, journal } = this.#options;
    const token = randomUUID();
    if (log.epoch === undefined) return;
    const rebuilds = await store.beginRebuild(token);
    if (rebuilds === undefined || rebuilds.length === 0) return;
    const sinceMs = clock.nowMs();
    await delay(clock, patienceMs, this.#stop.signal);
    await journal.flush();
    const prolonging = this.#prolong(token);
    const cursors = await this.#restoreAll();
    prolonging.abort();
    if (cursors === undefined) return;
    const isWhole = await store.endRebuild(token, rebuilds);
    const fields = { cursors, buckets: rebuilds.length, ms: Math.round(clock.nowMs() - sinceMs) };
    if (isWhole) logger.info(fields, "cursors were put back into redis");
  }

  /** Until it is aborted. */
  #prolong(token: string): AbortController {
    const { store, clock } = this.#options;
    const end = new AbortController();
    const again = async (): Promise<void> => {
      while (!end.signal.aborted) {
        await delay(clock, PROLONG_MS, end.signal);
        if (!end.signal.aborted) await store.beginRebuild(token);
      }
    };
    void again();
    return end;
  }

  /** How many records were read; undefined: not to the end. */
  async #restoreAll(): Promise<number | undefined> {
    const { log } = this.#options;
    let cursors = 0;
    for (let partition = 0; partition < (log.epoch?.partitions ?? 0); partition++) {
      const restored = await this.#restore(partition);
      if (restored === undefined) return undefined;
      cursors += restored;
    }
    return cursors;
  }

  async #restore(partition: number): Promise<number | undefined> {
    const { log, store, clock, limits, messages } = this.#options;
    const bounds = await log.bounds(partition);
    const current = messages();
    if (bounds.kind === "unavailable" || current === undefined) return undefined;
    const { epoch, endOffset } = bounds;
    let restored = 0;
    let offset = bounds.startOffset;
    while (offset < endOffset && !this.#stop.signal.aborted) {
      const request = { partition, epoch, offset, waitMs: 0, bytesMax: limits.readBytes };
      const chunk = await log.readFrom(request);
      if (chunk.kind === "unavailable") await delay(clock, RETRY_MS, this.#stop.signal);
      else if (chunk.kind === "below-start") offset = chunk.startOffset;
      else if (chunk.kind !== "chunk" || chunk.next === offset) return undefined;
      else {
        const writes = chunk.records.flatMap(({ value }) => writeOf(value));
        const stored = await store.restore(writes, current);
        if (stored.includes(false)) return undefined;
        restored += writes.length;
        offset = chunk.next;
      }
    }
    return this.#stop.signal.aborted ? undefined : restored;
  }
}

function writeOf(value: Uint8Array | null): readonly CursorWrite[] {
  const cursor = value === null ? undefined : decodeCursor(value);
  return cursor === undefined ? [] : [{ key: cursor.key, position: cursor.position }];
}
