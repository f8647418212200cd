import type { Clock } from "@millrace/runtime";

const SECOND_MS = 1_000;

/**
 * `perSec` in the long run, `burst` at once. It is filled when it is looked at: it costs no timer,
 * and a bucket that nobody touches costs nothing.
 */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSec: number;
  readonly #burst: number;
  #tokens: number;
  #filledAtMs: number;

  constructor(options: { readonly clock: Clock; readonly perSec: number; readonly burst: number }) {
    this.#clock = options.clock;
    this.#perSec = options.perSec;
    this.#burst = options.burst;
    this.#tokens = options.burst;
    this.#filledAtMs = options.clock.nowMs();
  }

  get isFull(): boolean {
    this.#fill();
    return this.#tokens >= this.#burst;
  }

  /** Takes one and answers 0, or takes none and answers after how many ms there will be one. */
  take(): number {
    this.#fill();
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return 0;
    }
    return Math.max(1, Math.ceil(((1 - this.#tokens) * SECOND_MS) / this.#perSec));
  }

  /** Takes so many, also where there are fewer: the rest is a debt. */
  spend(tokens: number): void {
    this.#fill();
    this.#tokens -= tokens;
  }

  /** One that was taken for nothing. */
  giveBack(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1);
  }

  /** There are no more than these; less than nothing is a debt. */
  lower(tokens: number): void {
    this.#fill();
    this.#tokens = Math.min(this.#tokens, tokens);
  }

  #fill(): void {
    const nowMs = this.#clock.nowMs();
    const more = ((nowMs - this.#filledAtMs) * this.#perSec) / SECOND_MS;
    this.#tokens = Math.min(this.#burst, this.#tokens + more);
    this.#filledAtMs = nowMs;
  }
}
