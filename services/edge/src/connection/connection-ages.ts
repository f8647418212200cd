import type { Clock } from "@millrace/runtime";
import type { CloseCode, DownFrame } from "@millrace/schemas";
import { GRACE_MS } from "./drain.ts";
import { type Alarm, Wheel } from "./wheel.ts";

/** Ages are told apart by that much; each is spread over a tenth of itself anyway. */
const TICK_MS = 250;
const SLOTS = 240;

/** Of the age: so far from it, either way, a connection ends, so that those who came together don't leave together. */
const DITHER = 0.1;

/** Who is sent away. */
export interface Aging {
  send(frame: DownFrame): void;
  close(code: CloseCode): void;
}

export interface ConnectionAgesOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** 0: connections may stay as long as they like. */
  readonly ageMs: number;
}

/**
 * Long-lived connections stay where they first landed, so that an edge that comes later has nothing
 * to do. With an age each is told to connect again (`goaway`) once it has lived so long, and ends
 * with 1001 if it has not done so after its grace.
 */
export class ConnectionAges {
  readonly #options: ConnectionAgesOptions;
  readonly #wheel: Wheel;
  readonly #ages = new Map<Aging, Age>();

  constructor(options: ConnectionAgesOptions) {
    this.#options = options;
    this.#wheel = new Wheel({ clock: options.clock, tickMs: TICK_MS, slots: SLOTS });
  }

  opened(connection: Aging): void {
    const { clock, random, ageMs } = this.#options;
    if (ageMs === 0) return;
    const age = new Age(connection, this.#wheel);
    this.#ages.set(connection, age);
    this.#wheel.set(age, clock.nowMs() + ageMs * (1 + DITHER * (2 * random() - 1)));
  }

  closed(connection: Aging): void {
    const age = this.#ages.get(connection);
    if (age === undefined) return;
    this.#ages.delete(connection);
    this.#wheel.cancel(age);
  }
}

/** First the word, then the end. */
class Age implements Alarm {
  slot: Set<Alarm> | undefined;
  dueAtMs = 0;
  readonly #connection: Aging;
  readonly #wheel: Wheel;
  #isTold = false;

  constructor(connection: Aging, wheel: Wheel) {
    this.#connection = connection;
    this.#wheel = wheel;
  }

  ring(nowMs: number): void {
    if (this.#isTold) return this.#connection.close(1001);
    this.#isTold = true;
    this.#connection.send({ t: "goaway", afterMs: 0, reason: "age" });
    this.#wheel.set(this, nowMs + GRACE_MS);
  }
}
