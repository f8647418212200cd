import type { RawClient } from "./raw-client.ts";

/** A conversation, who writes into it and who reads it; who reads has subscribed. */
export interface ChatPair {
  readonly c: string;
  readonly writer: RawClient;
  readonly readers: readonly RawClient[];
}

/**
 * People who chat: each pair's writer says something at its own pace, and each message is timed
 * from the moment in which it was due to its arrival at each reader.
 */
export class Chatter {
  readonly #everyMs: number;
  readonly #pairs: readonly ChatPair[];
  readonly #timers: NodeJS.Timeout[] = [];
  #latencies: number[] = [];

  constructor(pairs: readonly ChatPair[], everyMs: number) {
    this.#pairs = pairs;
    this.#everyMs = everyMs;
  }

  start(): void {
    for (const [index, pair] of this.#pairs.entries()) {
      for (const reader of pair.readers) {
        reader.onFrame = ({ t, c, body = "" }) => {
          if (t !== "msg" || c !== pair.c || !body.startsWith("at ")) return;
          this.#latencies.push(performance.now() - Number(body.slice(3)));
        };
      }
      // Spread over the interval, so that they don't all speak in one moment.
      let dueMs = performance.now() + (index / this.#pairs.length) * this.#everyMs;
      const speak = (): void => {
        pair.writer.send({ t: "pub", c: pair.c, body: `at ${dueMs}` });
        dueMs += this.#everyMs;
        this.#timers[index] = setTimeout(speak, Math.max(0, dueMs - performance.now()));
      };
      this.#timers[index] = setTimeout(speak, dueMs - performance.now());
    }
  }

  /** How long messages took since it was last asked. */
  take(): { readonly count: number; readonly p50: number; readonly p99: number } {
    const sorted = this.#latencies.toSorted((one, other) => one - other);
    this.#latencies = [];
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
    return { count: sorted.length, p50: at(0.5), p99: at(0.99) };
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
