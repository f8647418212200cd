import type { ErrFrame } from "@millrace/schemas";
import { Backoff } from "./backoff.ts";
import type { CancellableTimer, Environment } from "./environment.ts";
import type { Entry } from "./publisher.ts";

/**
 * The publishes of one conversation, in the order of their calls.
 *
 *     failed (to be sent again) · in flight · waiting
 *
 * Each is sent `behind` the one before it, so that none can be appended whose predecessor was not.
 * When one is refused, those in flight behind it come back `not-appended`; only when all of them
 * have come back does the first of them go out again, without `behind`: it starts a new chain.
 */
export class Lane {
  readonly #environment: Environment;
  readonly #onDue: () => void;
  readonly #backoff: Backoff;
  #failed: Entry[] = [];
  #inFlight: Entry[] = [];
  #waiting: Entry[] = [];
  #isBroken = false;
  #pauseMs = 0;
  #timer: CancellableTimer | undefined;
  #lastId: number | undefined;

  constructor(environment: Environment, onDue: () => void) {
    this.#environment = environment;
    this.#onDue = onDue;
    this.#backoff = new Backoff(environment.random);
  }

  get inFlight(): readonly Entry[] {
    return this.#inFlight;
  }

  /** The request that the next one stands behind. */
  get lastId(): number | undefined {
    return this.#lastId;
  }

  get isEmpty(): boolean {
    return this.entries().length === 0;
  }

  entries(): Entry[] {
    return [...this.#failed, ...this.#inFlight, ...this.#waiting];
  }

  add(entry: Entry): void {
    this.#waiting.push(entry);
  }

  /** Takes the one that may go out now. */
  next(): Entry | undefined {
    if (this.#isBroken || this.#timer !== undefined) return undefined;
    return this.#waiting.shift();
  }

  sent(entry: Entry, id: number): void {
    this.#inFlight.push(entry);
    this.#lastId = id;
  }

  appended(entry: Entry): void {
    this.forget(entry);
    this.#backoff.reset();
    this.#mendWhenAllAreBack();
  }

  /** It comes back, and keeps its place. */
  again(entry: Entry, err: ErrFrame): void {
    // Those that only stood behind a failure say nothing about when to try again.
    if (err.code !== "not-appended" || !this.#isBroken) {
      this.#pauseMs = Math.max(this.#pauseMs, err.retryMs ?? this.#backoff.nextMs());
    }
    this.#inFlight = this.#inFlight.filter((other) => other !== entry);
    if (!entry.isSettled) this.#failed.push(entry);
    this.#isBroken = true;
    this.#mendWhenAllAreBack();
  }

  /** It failed for good; those behind it are not appended either, and go out once more. */
  broke(entry: Entry): void {
    this.#inFlight = this.#inFlight.filter((other) => other !== entry);
    this.#isBroken = true;
    this.#mendWhenAllAreBack();
  }

  forget(entry: Entry): void {
    const isOther = (other: Entry): boolean => other !== entry;
    this.#failed = this.#failed.filter(isOther);
    this.#inFlight = this.#inFlight.filter(isOther);
    this.#waiting = this.#waiting.filter(isOther);
  }

  onLost(): void {
    for (const entry of this.#inFlight) entry.isUnknown = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waiting = this.entries().filter(({ isSettled }) => !isSettled);
    this.#failed = [];
    this.#inFlight = [];
    this.#isBroken = false;
    this.#pauseMs = 0;
    this.#lastId = undefined;
  }

  #mendWhenAllAreBack(): void {
    if (!this.#isBroken || this.#inFlight.length > 0) return;
    const pauseMs = this.#pauseMs;
    this.#waiting = [...this.#failed, ...this.#waiting];
    this.#failed = [];
    this.#isBroken = false;
    this.#pauseMs = 0;
    this.#lastId = undefined;
    if (pauseMs === 0) return;
    this.#timer = this.#environment.clock.after(pauseMs, () => {
      this.#timer = undefined;
      this.#onDue();
    });
  }
}
