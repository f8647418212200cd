import type { Clock, Timer } from "@millrace/runtime";

/** A token ends that long after its `exp`, everywhere: docs/protocol.md §1. */
export const TOKEN_LEEWAY_MS = 5_000;

const WARNING_MS = 60_000;

/** The longest delay that a timer takes: beyond it the timer would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * The end of a connection's token: a warning a minute before (at once where less is left), then
 * the end. What is left is taken from the wall clock once; from then on only the monotonic clock
 * counts, so that a jump of the wall clock ends nobody's connection.
 */
export class TokenLife {
  readonly #clock: Clock;
  readonly #endsAtMs: number;
  readonly #onExpired: () => void;
  readonly #warning: Timer;
  #end: Timer;

  constructor(options: {
    readonly clock: Clock;
    readonly expiresAtMs: number;
    readonly onExpiring: (inMs: number) => void;
    readonly onExpired: () => void;
  }) {
    const { clock, expiresAtMs, onExpiring, onExpired } = options;
    const leftMs = Math.max(0, expiresAtMs - clock.wallMs());
    const warnInMs = Math.min(TIMER_MS_MAX, Math.max(0, leftMs - WARNING_MS));
    this.#clock = clock;
    this.#onExpired = onExpired;
    this.#endsAtMs = clock.nowMs() + leftMs + TOKEN_LEEWAY_MS;
    this.#warning = clock.after(warnInMs, () => {
      // A token that outlives the longest timer is not about to expire when that timer fires.
      if (leftMs - warnInMs <= WARNING_MS) onExpiring(Math.max(0, Math.round(leftMs - warnInMs)));
    });
    this.#end = this.#schedule();
  }

  end(): void {
    this.#warning.cancel();
    this.#end.cancel();
  }

  #schedule(): Timer {
    const leftMs = Math.max(0, this.#endsAtMs - this.#clock.nowMs());
    return this.#clock.after(Math.min(TIMER_MS_MAX, leftMs), () => {
      if (leftMs <= TIMER_MS_MAX) this.#onExpired();
      else this.#end = this.#schedule();
    });
  }
}
