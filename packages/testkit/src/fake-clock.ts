import type { Clock, Timer } from "@millrace/runtime";

interface Planned {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** So many turns without a timer are a loop that would never end. */
const TURNS_MAX = 20_000;

/** A clock that stands still until it is told to move. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #wallMs: number;
  #order = 0;
  #planned: Planned[] = [];
  readonly #turn: (() => void)[] = [];

  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = wallMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  /** The wall clock jumps; nothing else does. */
  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** Time passes while nobody is awake: what fell due comes late, with the next advance. */
  freeze(byMs: number): void {
    this.#move(this.#nowMs + byMs);
  }

  after(delayMs: number, run: () => void): Timer {
    const planned = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#planned.push(planned);
    return {
      cancel: () => {
        this.#planned = this.#planned.filter((other) => other !== planned);
      },
    };
  }

  endOfTurn(run: () => void): void {
    this.#turn.push(run);
  }

  /** Runs what is due now, and what that makes due, until nothing is left but timers. */
  async settle(): Promise<void> {
    for (let turns = 0; ; turns++) {
      if (turns > TURNS_MAX) throw new Error("it never comes to rest without a timer");
      // Continuations of promises come before the end of a turn, as on a real loop.
      await new Promise((resolve) => setImmediate(resolve));
      const turn = this.#turn.splice(0);
      if (turn.length === 0) return;
      for (const run of turn) run();
    }
  }

  /** Moves both clocks on, firing each timer at its own time, in order. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await this.settle();
    for (;;) {
      const next = this.#nextDue(untilMs);
      if (next === undefined) break;
      this.#move(Math.max(next.atMs, this.#nowMs));
      this.#planned = this.#planned.filter((other) => other !== next);
      next.run();
      await this.settle();
    }
    this.#move(untilMs);
  }

  #nextDue(untilMs: number): Planned | undefined {
    return this.#planned
      .filter(({ atMs }) => atMs <= untilMs)
      .toSorted((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
  }

  #move(toMs: number): void {
    this.#wallMs += toMs - this.#nowMs;
    this.#nowMs = toMs;
  }
}
