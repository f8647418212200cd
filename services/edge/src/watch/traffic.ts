import type { LogChunk, LogRecord } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import { type ConversationId, parseConversation } from "@millrace/schemas";
import type { TailFollower } from "../tail/partition-tail.ts";
import { FrequentKeys } from "./frequent-keys.ts";

/** A conversation, and how many of its records were handed on in a second, at the least. */
export interface Hot {
  readonly conversation: ConversationId;
  readonly recordsPerSec: number;
}

/** Two of them, the present one and the one before, are what is told: five to ten seconds. */
const WINDOW_MS = 5_000;

/** Of one partition, in each window; and of all of them together, so that many cost no more. */
const COUNTERS_MAX = 64;
const COUNTERS_MIN = 8;
const COUNTERS_OF_ALL = 8_192;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * What comes from the log, by partition: how many records, and of which conversations the most.
 * Only keys are looked at, as bytes, also those of conversations that nobody here has subscribed:
 * whoever looks for a hot one looks for what the log carries.
 */
export class Traffic implements TailFollower {
  readonly #clock: Clock;
  readonly #partitionsOf: () => number;
  readonly #partitions = new Map<number, PartitionTraffic>();

  /** `partitions`: how many there are; the counters are shared out by it. */
  constructor(clock: Clock, partitions: () => number) {
    this.#clock = clock;
    this.#partitionsOf = partitions;
  }

  began(): void {}

  passed({ partition, records }: LogChunk): void {
    if (records.length === 0) return;
    let traffic = this.#partitions.get(partition);
    if (traffic === undefined) {
      const share = Math.floor(COUNTERS_OF_ALL / Math.max(1, this.#partitionsOf()));
      traffic = new PartitionTraffic(Math.max(COUNTERS_MIN, Math.min(COUNTERS_MAX, share)));
      this.#partitions.set(partition, traffic);
    }
    traffic.take(records, this.#clock.nowMs());
  }

  /** Since the start. */
  records(partition: number): number {
    return this.#partitions.get(partition)?.records ?? 0;
  }

  /** Those with the most records, the hottest first; every one with a large share is among them. */
  hottest(partition: number, count: number): readonly Hot[] {
    return this.#partitions.get(partition)?.hottest(this.#clock.nowMs(), count) ?? [];
  }
}

class PartitionTraffic {
  records = 0;
  /** The number of the present window; windows begin at the same times for all partitions. */
  #window = 0;
  #present: FrequentKeys;
  #former: FrequentKeys;

  constructor(counters: number) {
    this.#present = new FrequentKeys(counters);
    this.#former = new FrequentKeys(counters);
  }

  take(records: readonly LogRecord[], nowMs: number): void {
    this.#turn(nowMs);
    this.records += records.length;
    for (const { key } of records) if (key !== null) this.#present.take(key);
  }

  hottest(nowMs: number, count: number): Hot[] {
    this.#turn(nowMs);
    const counts = new Map<ConversationId, number>();
    for (const { key, count: times } of [...this.#present.all(), ...this.#former.all()]) {
      const conversation = conversationIn(key);
      if (conversation === undefined) continue;
      counts.set(conversation, (counts.get(conversation) ?? 0) + times);
    }
    const seconds = (nowMs - (this.#window - 1) * WINDOW_MS) / 1_000;
    return [...counts]
      .toSorted(([, one], [, other]) => other - one)
      .slice(0, count)
      .map(([conversation, times]) => ({ conversation, recordsPerSec: times / seconds }));
  }

  #turn(nowMs: number): void {
    const window = Math.floor(nowMs / WINDOW_MS);
    if (window === this.#window) return;
    const over = this.#present;
    this.#present = this.#former;
    this.#former = over;
    this.#present.clear();
    // Nothing came for a whole window and longer.
    if (window !== this.#window + 1) this.#former.clear();
    this.#window = window;
  }
}

/** Whoever else writes into the topic may choose keys that are no conversation's. */
function conversationIn(key: Uint8Array): ConversationId | undefined {
  try {
    return parseConversation(decoder.decode(key))?.id;
  } catch {
    // Bytes that are not UTF-8.
    return undefined;
  }
}
