import type { Clock } from "@millrace/runtime";
import type { EdgeLimits } from "../limits.ts";
import { isLoopback } from "./client-address.ts";
import { tooMany } from "./refusal.ts";

export type HandshakeBounds = Pick<
  EdgeLimits,
  "connectionsPerUser" | "connectionsPerAddress" | "handshakesPerAddress"
>;

const SECOND_MS = 1_000;
const ADDRESSES_MAX = 100_000;

/** How many connections a user and an address have, and how fast an address asks for more. */
export class HandshakeLimits {
  readonly #clock: Clock;
  readonly #bounds: HandshakeBounds;
  readonly #users = new Map<string, number>();
  readonly #addresses = new Map<string, number>();
  readonly #recent = new Map<string, number>();
  #secondStartMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, bounds: HandshakeBounds) {
    this.#clock = clock;
    this.#bounds = bounds;
  }

  /** Throws a RefusalError when the address asks too often. Loopback is unlimited. */
  handshake(address: string): void {
    if (isLoopback(address)) return;
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#secondStartMs >= SECOND_MS || this.#recent.size > ADDRESSES_MAX) {
      this.#secondStartMs = nowMs;
      this.#recent.clear();
    }
    const asked = (this.#recent.get(address) ?? 0) + 1;
    this.#recent.set(address, asked);
    if (asked > this.#bounds.handshakesPerAddress) {
      tooMany("handshakesPerAddress", "too many requests from this address");
    }
  }

  /** Takes a place for one connection, or throws a RefusalError; the answer gives it back. */
  enter(user: string, address: string): () => void {
    const { connectionsPerUser, connectionsPerAddress } = this.#bounds;
    if ((this.#users.get(user) ?? 0) >= connectionsPerUser) {
      tooMany("connectionsPerUser", "too many connections of this user");
    }
    const isCounted = !isLoopback(address);
    if (isCounted && (this.#addresses.get(address) ?? 0) >= connectionsPerAddress) {
      tooMany("connectionsPerAddress", "too many connections from this address");
    }
    count(this.#users, user, 1);
    if (isCounted) count(this.#addresses, address, 1);
    let hasLeft = false;
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      count(this.#users, user, -1);
      if (isCounted) count(this.#addresses, address, -1);
    };
  }
}

function count(counts: Map<string, number>, name: string, by: number): void {
  const sum = (counts.get(name) ?? 0) + by;
  if (sum > 0) counts.set(name, sum);
  else counts.delete(name);
}
