import { type Clock, type Logger, systemClock, within } from "@millrace/runtime";
import { type Position, formatPosition, percentEncode } from "@millrace/schemas";
import type { CursorKey, CursorOutcome } from "./cursors.ts";
import type { RedisClient, RedisLink } from "../redis/redis-link.ts";

export interface CursorWrite {
  readonly key: CursorKey;
  readonly position: Position;
}

export interface CursorStore {
  /** Never rejects: a store that does not answer in time is `unknown`. */
  read(key: CursorKey): Promise<CursorOutcome>;
  /** For each write, at the same index, whether the store has that position or a newer one. */
  write(writes: readonly CursorWrite[]): Promise<readonly boolean[]>;
}

/** A device that has not acknowledged anything for that long starts anew. */
const CURSOR_TTL_MS = 30 * 24 * 3_600_000;

/**
 * The connection bounds how long one node is waited for; in a cluster a command may be sent from one
 * node to the next, and nobody waits for that either.
 */
const ANSWER_MS_MAX = 2_000;

/** So many writes are on their way at once. */
const WRITES_AT_ONCE = 1_000;

/**
 * KEYS[1] = the holder's hash; ARGV = conversation, position, lifetime in ms. Positions of one
 * epoch and partition are compared by their last number: longer text is larger, then text order,
 * so that 64-bit numbers never pass through Lua's doubles. A lower one changes nothing.
 */
const MOVE_FORWARD = `
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old then
  local oldPlace, oldOffset = string.match(old, '^(.*)%.(%d+)$')
  local newPlace, newOffset = string.match(ARGV[2], '^(.*)%.(%d+)$')
  if oldPlace == newPlace and (#oldOffset > #newOffset
      or (#oldOffset == #newOffset and oldOffset >= newOffset)) then
    return 0
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`;

/**
 * Cursors in Redis: one hash per device or session, a field per conversation. Each is a command of
 * its own, because a Redis Cluster takes no pipeline whose keys are on several nodes; commands of
 * one turn leave together all the same.
 */
export class RedisCursorStore implements CursorStore {
  readonly #redis: RedisLink;
  readonly #logger: Logger;
  readonly #clock: Clock;

  constructor(redis: RedisLink, logger: Logger, clock: Clock = systemClock) {
    this.#redis = redis;
    this.#logger = logger;
    this.#clock = clock;
    const script = { numberOfKeys: 1, lua: MOVE_FORWARD };
    redis.onClient((client) => client.defineCommand("moveCursorForward", script));
  }

  async read(key: CursorKey): Promise<CursorOutcome> {
    try {
      const answer = this.#redis.client.hget(hashOf(key), key.conversation);
      const text = await within(this.#clock, ANSWER_MS_MAX, answer);
      return text === null ? { kind: "none" } : { kind: "position", text };
    } catch (error) {
      this.#logger.warn({ error: String(error) }, "cursor not readable");
      return { kind: "unknown" };
    }
  }

  async write(writes: readonly CursorWrite[]): Promise<readonly boolean[]> {
    const stored: boolean[] = [];
    for (let index = 0; index < writes.length; index += WRITES_AT_ONCE) {
      stored.push(...(await this.#writeSome(writes.slice(index, index + WRITES_AT_ONCE))));
    }
    return stored;
  }

  async #writeSome(writes: readonly CursorWrite[]): Promise<boolean[]> {
    const outcomes = await Promise.allSettled(writes.map((write) => this.#moveForward(write)));
    const failed = outcomes.filter((outcome) => outcome.status === "rejected");
    if (failed[0] !== undefined) {
      const fields = { error: String(failed[0].reason), writes: failed.length };
      this.#logger.warn(fields, "cursors not written");
    }
    return outcomes.map(({ status }) => status === "fulfilled");
  }

  async #moveForward({ key, position }: CursorWrite): Promise<void> {
    const client = this.#redis.client as MovingClient;
    const text = formatPosition(position);
    const moved = client.moveCursorForward(hashOf(key), key.conversation, text, CURSOR_TTL_MS);
    await within(this.#clock, ANSWER_MS_MAX, moved);
  }
}

type MovingClient = RedisClient & {
  moveCursorForward(
    hash: string,
    conversation: string,
    position: string,
    ttlMs: number,
  ): Promise<unknown>;
};

/**
 * The braces keep a user's hashes on one node of a Redis Cluster. Encoded ids hold neither colons
 * nor braces, and device names and session ids hold no colon, so no two holders share a hash.
 */
function hashOf({ user, holder }: CursorKey): string {
  const owner = `mr:cursor:{${percentEncode(user)}}`;
  return holder.kind === "device" ? `${owner}:d:${holder.name}` : `${owner}:s:${holder.id}`;
}
