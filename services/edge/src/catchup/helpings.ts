import type { Clock, Timer } from "@millrace/runtime";
import type { Outbox } from "../connection/outbox.ts";

/** One conversation's leave to read the log and to hand over what it found. */
export interface Helping {
  end(): void;
}

/** How many conversations of one connection are fed at once while its socket takes everything. */
const WIDTH_MAX = 8;

/** A read that takes longer no longer keeps the others waiting: its partition may be out of reach. */
const PATIENCE_MS = 250;

/**
 * The turns that the conversations of one connection take at its socket.
 *
 * Invariant: leave is given in the order asked for, only while the socket has room, and whoever has
 * had it stands behind all others. Were all let go at each drain, the same few would fill the
 * socket each time, and the others would read the log for nothing, over and over. For the same
 * reason a socket that was full once is fed by one conversation at a time until all have caught up.
 */
export class Helpings {
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  readonly #waiting: ((helping: Helping) => void)[] = [];
  #given = 0;
  /** How often the socket had been full when they last had all caught up. */
  #timesFull: number;
  #isWatching = false;

  constructor(outbox: Outbox, clock: Clock) {
    this.#outbox = outbox;
    this.#clock = clock;
    this.#timesFull = outbox.timesFull;
  }

  /** Resolves when it is this one's turn, or the socket has closed. */
  next(): Promise<Helping> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#give();
    });
  }

  #give(): void {
    const { isClosed, isWritable, timesFull } = this.#outbox;
    if (this.#waiting.length === 0) {
      if (this.#given === 0) this.#timesFull = timesFull;
      return;
    }
    if (!isClosed && !isWritable) return this.#watch();
    const width = timesFull === this.#timesFull ? WIDTH_MAX : 1;
    const most = isClosed ? this.#waiting.length : width - this.#given;
    for (const leave of this.#waiting.splice(0, Math.max(0, most))) {
      this.#given += 1;
      leave(this.#helping());
    }
  }

  #helping(): Helping {
    let timer: Timer | undefined;
    const end = (): void => {
      if (timer === undefined) return;
      timer.cancel();
      timer = undefined;
      this.#given -= 1;
      this.#give();
    };
    timer = this.#clock.after(PATIENCE_MS, end);
    return { end };
  }

  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    void this.#outbox.whenWritable().then(() => {
      this.#isWatching = false;
      this.#give();
    });
  }
}
