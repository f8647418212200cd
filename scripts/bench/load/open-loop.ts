import { Arrivals } from "./arrivals.ts";
import { nowUs } from "./monotonic.ts";

const TICK_MS = 1;

/** Sends of one tick, so that a loop that has fallen behind still reads. */
const SENDS_PER_TICK = 256;

/** Sends at the times that `Arrivals` tells, whether or not the other side keeps up. */
export class OpenLoop {
  readonly #send: (intendedUs: number) => void;
  #arrivals: Arrivals | undefined;
  #left = 0;
  #whenSent: (() => void) | undefined;

  constructor(send: (intendedUs: number) => void) {
    this.#send = send;
  }

  /** Also with another rate than before. Resolves where a count is given, when all are sent. */
  start(wish: {
    readonly perS: number;
    readonly random: () => number;
    readonly count?: number;
  }): Promise<void> {
    const { perS, random, count = Number.POSITIVE_INFINITY } = wish;
    const wasQuiet = this.#arrivals === undefined;
    this.#arrivals = new Arrivals({ perS, startUs: nowUs(), random });
    this.#left = count;
    const sent = new Promise<void>((resolve) => {
      this.#whenSent = resolve;
    });
    if (wasQuiet) this.#tick();
    return sent;
  }

  stop(): void {
    this.#arrivals = undefined;
  }

  #tick(): void {
    const arrivals = this.#arrivals;
    if (arrivals === undefined) return;
    const atUs = nowUs();
    let sends = 0;
    let due = arrivals.due(atUs);
    while (due !== undefined) {
      this.#send(due);
      this.#left--;
      sends++;
      if (this.#left <= 0) {
        this.#arrivals = undefined;
        return this.#whenSent?.();
      }
      if (sends >= SENDS_PER_TICK) break;
      due = arrivals.due(atUs);
    }
    if (sends >= SENDS_PER_TICK) setImmediate(() => this.#tick());
    else setTimeout(() => this.#tick(), TICK_MS);
  }
}
