import type { Clock } from "@millrace/runtime";
import type { EdgeLimits } from "../limits.ts";
import type { LimitName } from "../limit-table.ts";
import { TokenBucket } from "../rates/token-bucket.ts";
import type { Shortage } from "../vitals/vitals.ts";
import { RefusalError } from "./refusal.ts";

export interface NewcomersOptions {
  readonly clock: Clock;
  readonly limits: Pick<
    EdgeLimits,
    "handshakesPerSec" | "handshakeBurst" | "checksPendingMax" | "connectionsMax"
  >;
  /** 0 to 1. */
  readonly random: () => number;
  readonly shortage: () => Shortage | undefined;
}

const SHORTAGES: Readonly<Record<Shortage, { readonly limit: LimitName; readonly why: string }>> = {
  memory: { limit: "memory", why: "the edge has no memory left for newcomers" },
  descriptors: { limit: "descriptors", why: "the edge has no descriptors left for newcomers" },
  loop: { limit: "loopLate", why: "the edge is busy with those who are connected" },
};

/** Those who are sent away together must not come back together. */
const RETRY_S = { min: 1, spread: 4 };

/**
 * Whether the edge takes one more, before that one costs anything. A handshake takes a token of all
 * handshakes together, and gets it back when its credential is no good: strangers hold tokens only
 * while they are looked at, and never use up those of users.
 */
export class Newcomers {
  readonly #options: NewcomersOptions;
  readonly #bucket: TokenBucket;
  #pending = 0;
  #connections = 0;

  constructor(options: NewcomersOptions) {
    this.#options = options;
    const { clock, limits } = options;
    this.#bucket = new TokenBucket({
      clock,
      perSec: limits.handshakesPerSec,
      burst: limits.handshakeBurst,
    });
  }

  /** Throws a RefusalError while the edge is short of something, or full. */
  checkRoom(): void {
    const shortage = this.#options.shortage();
    if (shortage !== undefined) this.#refuse(SHORTAGES[shortage].limit, SHORTAGES[shortage].why);
    this.checkPlace();
  }

  /** Throws a RefusalError when there are as many connections as there may be. */
  checkPlace(): void {
    if (this.#connections < this.#options.limits.connectionsMax) return;
    this.#refuse("connections", "the edge has all the connections it can have");
  }

  /** Takes a token, or throws a RefusalError; the answer gives it back. */
  handshake(): () => void {
    if (this.#bucket.take() > 0) this.#refuse("handshakes", "too many handshakes at the moment");
    return () => this.#bucket.giveBack();
  }

  /** While a credential is looked at. Throws a RefusalError when too many are. */
  async whilePending<Result>(check: () => Promise<Result>): Promise<Result> {
    if (this.#pending >= this.#options.limits.checksPendingMax) {
      this.#refuse("checksPending", "too many credentials are being looked at");
    }
    this.#pending++;
    try {
      return await check();
    } finally {
      this.#pending--;
    }
  }

  /** One more is connected; the answer takes it away. */
  enter(): () => void {
    this.#connections++;
    return () => void this.#connections--;
  }

  #refuse(limit: LimitName, message: string): never {
    const retryAfterS = RETRY_S.min + Math.floor(this.#options.random() * RETRY_S.spread);
    throw new RefusalError({ status: 503, message, retryAfterS, limit });
  }
}
