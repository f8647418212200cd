import type { Clock } from "@millrace/runtime";

/** Of each turn of the loop; what is live has all the rest, and the next turn. */
const WORK_MS_PER_TURN = 4;

interface Piece {
  readonly work: () => void;
  readonly done: () => void;
}

/**
 * The share of the loop that replays may use: a few of them begin in each turn, in the order of
 * asking, and what they do on the loop ends the turn as soon as its time is over, so that a storm of
 * resumes never keeps live frames, answers and new sockets from their turn. Many may wait for the
 * same bytes of the log, and would go on in one and the same turn.
 */
export class TurnGate {
  readonly #clock: Clock;
  readonly #perTurn: number;
  readonly #waiting: (() => void)[] = [];
  readonly #pieces: Piece[] = [];
  #isScheduled = false;

  constructor(clock: Clock, perTurn: number) {
    this.#clock = clock;
    this.#perTurn = perTurn;
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  /** Does a short piece of work when its time has come. */
  run(work: () => void): Promise<void> {
    return new Promise((done) => {
      this.#pieces.push({ work, done });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.endOfTurn(() => this.#endTurn());
  }

  #endTurn(): void {
    this.#isScheduled = false;
    for (const resolve of this.#waiting.splice(0, this.#perTurn)) resolve();
    const untilMs = this.#clock.nowMs() + WORK_MS_PER_TURN;
    let done = 0;
    for (const piece of this.#pieces) {
      piece.work();
      piece.done();
      done += 1;
      if (this.#clock.nowMs() >= untilMs) break;
    }
    this.#pieces.splice(0, done);
    if (this.#waiting.length + this.#pieces.length > 0) this.#schedule();
  }
}
