import type { OwnershipMember } from "../../ownership.ts";

/**
 * Whether the group's last distribution still says what this member would say now.
 *
 * Invariant: a member joins again when, and only when, what it said of itself is no longer so, or when it
 * led the last distribution with other pins than those that it knows now. So a changed weight is one
 * edge's matter, and changed pins, of which every edge hears, are the leader's alone: one distribution,
 * however many edges there are. Whoever leads next uses the pins that it knows, and hears of others
 * afterwards, as each of them does in the end. It compares, and counts nothing: orders that come
 * together, or twice, make one distribution.
 */
export class DistributionWish {
  readonly #self: () => OwnershipMember;
  readonly #pins: () => ReadonlyMap<number, string>;
  #said: string | undefined;
  #asked = 0;
  /** Undefined: somebody else led the last distribution. */
  #led: string | undefined;

  constructor(self: () => OwnershipMember, pins: () => ReadonlyMap<number, string>) {
    this.#self = self;
    this.#pins = pins;
  }

  /** Whatever has changed or not. */
  ask(): void {
    this.#asked += 1;
  }

  /** What it says, from now on, in a distribution that is to come. */
  say(): OwnershipMember & { readonly asked: number } {
    const words = { ...this.#self(), asked: this.#asked };
    this.#said = JSON.stringify(words);
    this.#led = undefined;
    return words;
  }

  led(pins: ReadonlyMap<number, string>): void {
    this.#led = textOf(pins);
  }

  /** The group would distribute otherwise by now. */
  get isDue(): boolean {
    if (this.#said === undefined) return false;
    const words = JSON.stringify({ ...this.#self(), asked: this.#asked });
    return words !== this.#said || (this.#led !== undefined && this.#led !== textOf(this.#pins()));
  }
}

function textOf(pins: ReadonlyMap<number, string>): string {
  return JSON.stringify([...pins].toSorted(([one], [other]) => one - other));
}
