import type { Clock } from "@millrace/runtime";

/**
 * Something that is looked at for everybody at once: whoever asks gets what was seen within the last
 * `ageMs`, or waits for the look that is under way.
 */
export class SharedLook<Seen, Means = void> {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #ageMs: number;
  readonly #look: (means: Means) => Promise<Seen>;
  #seen: { readonly value: Seen; readonly atMs: number } | undefined;
  #looking: Promise<Seen> | undefined;
  /** Looks that have begun before the last `forget` are not kept. */
  #generation = 0;

  constructor(options: {
    readonly clock: Pick<Clock, "nowMs">;
    readonly ageMs: number;
    /** Must not reject: what can't be seen is a part of what is seen. */
    readonly look: (means: Means) => Promise<Seen>;
  }) {
    this.#clock = options.clock;
    this.#ageMs = options.ageMs;
    this.#look = options.look;
  }

  get(means: Means): Promise<Seen> {
    const seen = this.#seen;
    if (seen !== undefined && this.#clock.nowMs() - seen.atMs < this.#ageMs) {
      return Promise.resolve(seen.value);
    }
    return this.#start(means);
  }

  /** What is seen from now on: a look that has begun before does not count. */
  async fresh(means: Means): Promise<Seen> {
    await this.#looking;
    return this.#start(means);
  }

  /** Something was changed: whoever asks next wants to see it. */
  forget(): void {
    this.#generation += 1;
    this.#seen = undefined;
  }

  #start(means: Means): Promise<Seen> {
    const generation = this.#generation;
    this.#looking ??= this.#look(means)
      .then((value) => {
        const isCurrent = generation === this.#generation;
        if (isCurrent) this.#seen = { value, atMs: this.#clock.nowMs() };
        return value;
      })
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }
}
