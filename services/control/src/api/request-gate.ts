import type { Clock } from "@millrace/runtime";
import { LIMITS } from "../limits.ts";
import { refuse } from "../refusal.ts";

interface Allowance {
  left: number;
  filledMs: number;
}

/** How many requests there may be: at once of all, and in a second of each operator. */
export class RequestGate {
  readonly #clock: Pick<Clock, "nowMs">;
  /** Of names that the issuer has vouched for: few, and none that somebody has made up. */
  readonly #allowances = new Map<string, Allowance>();
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  /** The answer ends it; throws a RefusalError where there are too many. */
  enter(): () => void {
    if (this.#inFlight >= LIMITS.requestsInFlight) {
      refuse(503, "as many requests are in progress as control takes: try again in a second");
    }
    this.#inFlight += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#inFlight -= 1;
      if (this.#inFlight === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    };
  }

  /** Resolves when none is in progress. */
  async whenIdle(): Promise<void> {
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Throws a RefusalError where that operator has asked for too much. */
  charge(operator: string): void {
    const nowMs = this.#clock.nowMs();
    const known = this.#allowances.get(operator);
    if (known === undefined && this.#allowances.size >= LIMITS.operatorsCounted) {
      this.#allowances.clear();
    }
    const allowance = known ?? {
      left: LIMITS.requestBurst,
      filledMs: nowMs,
    };
    const gained = ((nowMs - allowance.filledMs) / 1_000) * LIMITS.requestsPerSec;
    allowance.left = Math.min(LIMITS.requestBurst, allowance.left + gained);
    allowance.filledMs = nowMs;
    this.#allowances.set(operator, allowance);
    if (allowance.left < 1) {
      refuse(429, "more requests a second than control takes of one operator: wait a second");
    }
    allowance.left -= 1;
  }
}
