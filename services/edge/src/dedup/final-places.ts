import type { Clock } from "@millrace/runtime";
import type { ReservationKey } from "./reservations.ts";

/** Where a reserved publish went: what its entry becomes. */
export interface FinalPlace {
  readonly key: ReservationKey;
  readonly token: string;
  readonly pos: string;
  readonly ts: number;
}

/** Long against a busy partition's batches, short against everything that a person notices. */
const HOLD_MS = 50;

/** Of one partition; beyond it they leave at once. */
const HELD_MAX = 1_000;

/**
 * Final places on their way to Redis. They wait for their partition's next reservation and travel in
 * the same command, so that a busy partition pays one round trip for both; without one they leave
 * after a moment. Whoever asks for such a key meanwhile finds it held, looks into the log, and finds
 * the record: the same as when an edge was killed between the append and this.
 */
export class FinalPlaces {
  readonly #clock: Clock;
  readonly #onDue: (place: FinalPlace) => void;
  readonly #held = new Map<string, FinalPlace[]>();
  #isTimed = false;

  constructor(clock: Clock, onDue: (place: FinalPlace) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  add(partition: string, place: FinalPlace): void {
    const held = this.#held.get(partition);
    if (held === undefined) this.#held.set(partition, [place]);
    else held.push(place);
    if (held !== undefined && held.length > HELD_MAX) this.take(partition).forEach(this.#onDue);
    if (this.#isTimed) return;
    this.#isTimed = true;
    this.#clock.after(HOLD_MS, () => this.flush());
  }

  /** Those of that partition: they are on their way now. */
  take(partition: string): readonly FinalPlace[] {
    const held = this.#held.get(partition) ?? [];
    this.#held.delete(partition);
    return held;
  }

  flush(): void {
    this.#isTimed = false;
    for (const partition of this.#held.keys()) this.take(partition).forEach(this.#onDue);
  }
}
