import type { Clock } from "@millrace/runtime";
import { LIMITS } from "../limits.ts";
import { refuse } from "../refusal.ts";

/** How many requests there may be, at once and in a second. */
export class RequestGate {
  readonly #clock: Pick<Clock, "nowMs">;
  #inFlight = 0;
  #left: number = LIMITS.requestBurst;
  #filledMs: number;

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
    this.#filledMs = clock.nowMs();
  }

  /** The answer ends it; throws a RefusalError where there are too many. */
  enter(): () => void {
    this.#fill();
    if (this.#left < 1) refuse(429, "more requests a second than control takes: wait a second");
    if (this.#inFlight >= LIMITS.requestsInFlight) {
      refuse(503, "as many requests are in progress as control takes: try again in a second");
    }
    this.#left -= 1;
    this.#inFlight += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#inFlight -= 1;
    };
  }

  #fill(): void {
    const nowMs = this.#clock.nowMs();
    const gained = ((nowMs - this.#filledMs) / 1_000) * LIMITS.requestsPerSec;
    this.#left = Math.min(LIMITS.requestBurst, this.#left + gained);
    this.#filledMs = nowMs;
  }
}
