import { type UserId, percentEncode } from "@millrace/schemas";
import type { RedisHealth } from "../redis/redis-health.ts";
import type { RedisClient, RedisLink } from "../redis/redis-link.ts";

/** What the edges have let through of each user's publishes, all of them together. */
export interface RateLedger {
  /** What is left after these, less than nothing for a debt; undefined: nobody knows. Never rejects. */
  charge(user: UserId, publishes: number): Promise<number | undefined>;
}

export interface RateLedgerOptions {
  readonly redis: RedisLink;
  readonly health: RedisHealth;
  readonly perSec: number;
  readonly burst: number;
}

type Scripts = RedisClient & {
  chargeRate(key: string, ...words: number[]): Promise<string>;
};

/** A bucket that is full again is as good as none, and is forgotten. */
const REST_MS = 1_000;

/**
 * KEYS: the user's bucket, `<tokens> <ms by Redis' clock>`. ARGV: per second, burst, publishes, and
 * for how long it is kept once it is full. Answers the tokens as text: Redis would cut off a fraction.
 */
const CHARGE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local perSec, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local tokens = burst
local entry = redis.call('GET', KEYS[1])
if entry then
  local held, at = string.match(entry, '^(%S+) (%d+)$')
  tokens = math.min(burst, tonumber(held) + math.max(0, now - tonumber(at)) * perSec / 1000)
end
tokens = tokens - tonumber(ARGV[3])
local restMs = math.ceil((burst - tokens) * 1000 / perSec) + tonumber(ARGV[4])
redis.call('SET', KEYS[1], string.format('%.3f %.0f', tokens, now), 'PX', restMs)
return string.format('%.3f', tokens)
`;

/** One token bucket for each user, in Redis. It may go below nothing: a debt, which fills up first. */
export class RedisRateLedger implements RateLedger {
  readonly #options: RateLedgerOptions;

  constructor(options: RateLedgerOptions) {
    this.#options = options;
    options.redis.onClient((client) =>
      client.defineCommand("chargeRate", { numberOfKeys: 1, lua: CHARGE }),
    );
  }

  async charge(user: UserId, publishes: number): Promise<number | undefined> {
    const { health, perSec, burst } = this.#options;
    const key = `mr:rate:{${percentEncode(user)}}`;
    const left = await health.ask(key, (client) =>
      (client as Scripts).chargeRate(key, perSec, burst, publishes, REST_MS),
    );
    return left === undefined ? undefined : Number(left);
  }
}
