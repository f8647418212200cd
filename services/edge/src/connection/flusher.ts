import type { Clock } from "@millrace/runtime";

/** Something with frames to write at the end of the turn. */
export interface Flushable {
  flush(): void;
}

/**
 * Gathers what became due within one turn of the loop and writes it at its end, so that a socket
 * gets one write however many frames it is due. The busier the loop, the more each write carries.
 * A large fan-out is written in slices, with the loop's other events between them.
 */
export class Flusher {
  readonly #clock: Clock;
  readonly #perTurn: number;
  /** Whoever is in it asks no second time before it was flushed. */
  #due: Flushable[] = [];
  #isScheduled = false;

  constructor(clock: Clock, perTurn: number) {
    this.#clock = clock;
    this.#perTurn = perTurn;
  }

  due(item: Flushable): void {
    this.#due.push(item);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.endOfTurn(() => this.#run());
  }

  #run(): void {
    this.#isScheduled = false;
    const due = this.#due;
    const isMore = due.length > this.#perTurn;
    this.#due = isMore ? due.slice(this.#perTurn) : [];
    const end = isMore ? this.#perTurn : due.length;
    for (let index = 0; index < end; index++) due[index]?.flush();
    if (this.#due.length > 0) this.#schedule();
  }
}
