import type { Clock } from "@millrace/runtime";
import type { UserId } from "@millrace/schemas";
import type { EdgeLimits } from "../limits.ts";
import type { RateLedger } from "./rate-ledger.ts";
import { SharedBucket } from "./shared-bucket.ts";
import { TokenBucket } from "./token-bucket.ts";

/** One connection's share in its user's rate. */
export interface PublishRate {
  /** 0: one more publish may come; otherwise after how many ms. */
  take(): number;
  leave(): void;
}

interface Account {
  readonly bucket: SharedBucket;
  connections: number;
}

/**
 * How fast each user may publish, over all connections to all edges. Connecting again gives nobody
 * a new bucket: one without connections is kept until it is full, which takes `burst / perSec`.
 */
export class PublishRates {
  readonly #clock: Clock;
  readonly #limits: EdgeLimits;
  readonly #ledger: RateLedger;
  readonly #accounts = new Map<UserId, Account>();
  /** Users without a connection, the one that left first in front. */
  readonly #resting = new Set<UserId>();

  constructor(clock: Clock, limits: EdgeLimits, ledger: RateLedger) {
    this.#clock = clock;
    this.#limits = limits;
    this.#ledger = ledger;
  }

  /** How many users are remembered. */
  get size(): number {
    return this.#accounts.size;
  }

  join(user: UserId): PublishRate {
    this.#forget();
    const account = this.#accounts.get(user) ?? this.#open(user);
    account.connections += 1;
    this.#resting.delete(user);
    return {
      take: () => account.bucket.take(),
      leave: () => {
        account.connections -= 1;
        if (account.connections === 0) this.#resting.add(user);
        this.#forget();
      },
    };
  }

  /** Without a connection: 0, or after how many ms. */
  takeOnce(user: UserId): number {
    const rate = this.join(user);
    const retryMs = rate.take();
    rate.leave();
    return retryMs;
  }

  #open(user: UserId): Account {
    const { publishesPerReport: perReport, announced } = this.#limits;
    const { publishPerSec: perSec, publishBurst: burst } = announced;
    const bucket = new SharedBucket({
      bucket: new TokenBucket({ clock: this.#clock, perSec, burst }),
      perReport,
      charge: (taken) => this.#ledger.charge(user, taken),
    });
    const account = { bucket, connections: 0 };
    this.#accounts.set(user, account);
    return account;
  }

  /** All buckets fill equally fast, so whoever has rested for the longest is full first, nearly. */
  #forget(): void {
    for (const user of this.#resting) {
      const account = this.#accounts.get(user);
      if (account?.bucket.isFull === false) return;
      account?.bucket.end();
      this.#resting.delete(user);
      this.#accounts.delete(user);
    }
  }
}
