import type { Clock } from "@millrace/runtime";

/**
 * Lets a few helpings of catch-up through in each turn of the loop, in the order of asking, so that
 * a storm of resumes never keeps live frames, answers and new sockets from their turn.
 */
export class TurnGate {
  readonly #clock: Clock;
  readonly #perTurn: number;
  readonly #waiting: (() => void)[] = [];
  #isScheduled = false;

  constructor(clock: Clock, perTurn: number) {
    this.#clock = clock;
    this.#perTurn = perTurn;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.endOfTurn(() => {
      this.#isScheduled = false;
      for (const resolve of this.#waiting.splice(0, this.#perTurn)) resolve();
      if (this.#waiting.length > 0) this.#schedule();
    });
  }
}
