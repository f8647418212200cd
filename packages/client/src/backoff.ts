const FIRST_MS = 500;
const LONGEST_MS = 30_000;
/** A connection has to last so long before the next delay is short again. */
const HEALTHY_MS = 30_000;

/**
 * Full jitter (docs/protocol.md §8): random(0, min(30 s, 0.5 s × 2^n)). The cap is applied before
 * the chance, so that the delays of many clients fill the whole range and never fall into step.
 */
export class Backoff {
  readonly #random: () => number;
  #attempts = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** How often in a row it did not work. */
  get attempts(): number {
    return this.#attempts;
  }

  nextMs(): number {
    const mostMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#attempts);
    // Beyond this the cap rules anyway, and the power stays a finite number.
    this.#attempts = Math.min(this.#attempts + 1, 30);
    return this.#random() * mostMs;
  }

  /** A connection has ended after so long. */
  ended(lastedMs: number): void {
    if (lastedMs >= HEALTHY_MS) this.reset();
  }

  reset(): void {
    this.#attempts = 0;
  }
}
