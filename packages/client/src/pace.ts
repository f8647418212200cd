import type { MonotonicClock } from "./environment.ts";

export interface PaceOptions {
  readonly perSec: number;
  /** So many at once. */
  readonly burst: number;
}

const SECOND_MS = 1_000;

/** Keeps below a rate that the server holds (docs/protocol.md §6), so that it has nothing to refuse. */
export class Pace {
  readonly #clock: MonotonicClock;
  readonly #perSec: number;
  readonly #burst: number;
  #left: number;
  #filledAtMs: number;

  constructor(clock: MonotonicClock, { perSec, burst }: PaceOptions) {
    this.#clock = clock;
    this.#perSec = perSec;
    this.#burst = Math.max(1, burst);
    this.#left = this.#burst;
    this.#filledAtMs = clock.nowMs();
  }

  /** After how long one more may go; 0: now. */
  waitMs(): number {
    const nowMs = this.#clock.nowMs();
    // While it was emptied into the future, nothing comes in.
    const passedMs = Math.max(0, nowMs - this.#filledAtMs);
    this.#left = Math.min(this.#burst, this.#left + (passedMs * this.#perSec) / SECOND_MS);
    this.#filledAtMs = Math.max(nowMs, this.#filledAtMs);
    if (this.#left >= 1) return 0;
    const missingMs = ((1 - this.#left) * SECOND_MS) / this.#perSec;
    return Math.max(1, Math.ceil(this.#filledAtMs - nowMs + missingMs));
  }

  /** One has gone. */
  spend(): void {
    this.#left -= 1;
  }

  /** The server has counted otherwise: nothing is left, and for so long nothing comes in. */
  empty(retryMs: number): void {
    this.#filledAtMs = this.#clock.nowMs() + retryMs;
    this.#left = 0;
  }
}
