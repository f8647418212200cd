import type { RawClient } from "./raw-client.ts";

/** A conversation, who writes into it and who reads it; who reads has subscribed. */
export interface ChatPair {
  readonly c: string;
  readonly writer: RawClient;
  readonly readers: readonly RawClient[];
}

/**
 * People who chat: each conversation's writer says something at a steady pace, and each message is
 * timed from the moment in which it was due to its arrival at each reader.
 */
export class Chatter {
  readonly #everyMs: number;
  readonly #pairs: readonly ChatPair[];
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(pairs: readonly ChatPair[], everyMs: number) {
    this.#pairs = pairs;
    this.#everyMs = everyMs;
  }

  start(): void {
    for (const [index, { c, writer }] of this.#pairs.entries()) {
      // Spread over the interval, so that they don't all speak in one moment.
      let dueMs = performance.now() + (index / this.#pairs.length) * this.#everyMs;
      const speak = (): void => {
        writer.send({ t: "pub", c, body: `sent ${dueMs}` });
        dueMs += this.#everyMs;
        this.#timers[index] = setTimeout(speak, Math.max(0, dueMs - performance.now()));
      };
      this.#timers[index] = setTimeout(speak, dueMs - performance.now());
    }
  }

  /** How long messages took since it was last asked. */
  take(): { readonly count: number; readonly p50: number; readonly p99: number } {
    const readers = new Set(this.#pairs.flatMap((pair) => pair.readers));
    const delays = [...readers].flatMap(({ delaysMs }) => delaysMs.splice(0));
    delays.sort((one, other) => one - other);
    const at = (share: number): number =>
      delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? Number.NaN;
    return { count: delays.length, p50: at(0.5), p99: at(0.99) };
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
