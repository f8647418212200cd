import { closeSync, openSync } from "node:fs";
import type { ProcessProbe } from "./process-probe.ts";

export interface DescriptorReserveOptions {
  readonly probe: Pick<ProcessProbe, "descriptors" | "descriptorsMax">;
  /** So many are for us and not for clients. */
  readonly reserve: number;
  /** Starts or stops to accept connections; false: it could not. */
  readonly listen: (isListening: boolean) => boolean;
}

/** Of the reserve, so many are really held: clients that come faster than we look can't have them. */
const HELD_SHARE = 1 / 3;

/**
 * Descriptors that clients never get. Without one left, the socket's library would find a connection
 * to accept in every turn of the loop, fail, and burn a core, while Kafka and Redis could not come
 * back. So newcomers are refused politely once the reserve is touched; silent ones, which nobody
 * can refuse, may still use up all but what is held open on nothing. Then the edge stops listening
 * (the system itself refuses), gives what it held to whoever needs it, and listens again when enough
 * have left.
 */
export class DescriptorReserve {
  readonly #options: DescriptorReserveOptions;
  readonly #held: number[] = [];
  #isListening = true;

  constructor(options: DescriptorReserveOptions) {
    this.#options = options;
    this.#hold();
  }

  /** What is left is not for newcomers. */
  get isTouched(): boolean {
    return !this.#isListening || this.#free < this.#options.reserve;
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  look(): void {
    if (this.#isListening) {
      if (this.#free > this.#heldWanted) return this.#hold();
      this.#isListening = !this.#options.listen(false);
      this.release();
    } else if (this.#free >= 2 * this.#options.reserve) {
      this.#isListening = this.#options.listen(true);
      this.#hold();
    }
  }

  release(): void {
    for (const descriptor of this.#held.splice(0)) closeSync(descriptor);
  }

  /** What is held counts as free. */
  get #free(): number {
    const { probe } = this.#options;
    return probe.descriptorsMax - probe.descriptors() + this.#held.length;
  }

  get #heldWanted(): number {
    const { probe, reserve } = this.#options;
    return Number.isFinite(probe.descriptorsMax) ? Math.floor(reserve * HELD_SHARE) : 0;
  }

  #hold(): void {
    try {
      while (this.#held.length < this.#heldWanted) this.#held.push(openSync("/dev/null", "r"));
    } catch {
      // None is left to hold: the next look finds that, too.
    }
  }
}
