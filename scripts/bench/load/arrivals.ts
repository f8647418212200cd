/**
 * When to send, as an open loop: the times come from the rate and the seed alone, never from how
 * fast the other side answers. Gaps are exponential (a Poisson process), as with many users who
 * know nothing of each other.
 */
export class Arrivals {
  readonly #random: () => number;
  readonly #meanUs: number;
  #nextUs: number;

  constructor(options: {
    readonly perS: number;
    readonly startUs: number;
    readonly random: () => number;
  }) {
    this.#random = options.random;
    this.#meanUs = 1_000_000 / options.perS;
    this.#nextUs = options.startUs;
    this.#advance();
  }

  /** The intended time of the next one that is due by now; undefined when none is. */
  due(nowUs: number): number | undefined {
    const intendedUs = this.#nextUs;
    if (intendedUs > nowUs) return undefined;
    this.#advance();
    return intendedUs;
  }

  #advance(): void {
    this.#nextUs -= Math.log(1 - this.#random()) * this.#meanUs;
  }
}
