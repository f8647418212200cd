export interface AllowanceBounds {
  /** Of all users together. */
  readonly all: number;
  readonly user: number;
}

export type Allowed =
  | { readonly kind: "taken"; readonly giveBack: () => void }
  /** Who asks has as many as one may have; others still get theirs. */
  | { readonly kind: "user-full" }
  | { readonly kind: "full" };

/** How many of a kind run at once: so many in all, and so many of each user. */
export class Allowance {
  readonly #bounds: AllowanceBounds;
  readonly #users = new Map<string, number>();
  #all = 0;

  constructor(bounds: AllowanceBounds) {
    this.#bounds = bounds;
  }

  take(user: string): Allowed {
    const own = this.#users.get(user) ?? 0;
    if (own >= this.#bounds.user) return { kind: "user-full" };
    if (this.#all >= this.#bounds.all) return { kind: "full" };
    this.#all++;
    this.#users.set(user, own + 1);
    return { kind: "taken", giveBack: () => this.#giveBack(user) };
  }

  #giveBack(user: string): void {
    this.#all--;
    const left = (this.#users.get(user) ?? 1) - 1;
    if (left === 0) this.#users.delete(user);
    else this.#users.set(user, left);
  }
}
