import type { Logger } from "@millrace/runtime";
import { type Position, formatPosition, percentEncode } from "@millrace/schemas";
import type { Redis } from "ioredis";
import type { CursorKey, CursorOutcome } from "./cursors.ts";

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

const WRITES_PER_PIPELINE = 1_000;

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

/** Cursors in Redis: one hash per device or session, a field per conversation. */
export class RedisCursorStore implements CursorStore {
  readonly #redis: Redis;
  readonly #logger: Logger;

  constructor(redis: Redis, logger: Logger) {
    this.#redis = redis;
    this.#logger = logger;
    redis.defineCommand("moveCursorForward", { numberOfKeys: 1, lua: MOVE_FORWARD });
  }

  async read(key: CursorKey): Promise<CursorOutcome> {
    try {
      const text = await this.#redis.hget(hashOf(key), key.conversation);
      return text === null ? { kind: "none" } : { kind: "position", text };
    } catch (error) {
      this.#logger.warn({ error: String(error) }, "cursor not readable");
      return { kind: "unknown" };
    }
  }

  async write(writes: readonly CursorWrite[]): Promise<readonly boolean[]> {
    const stored: boolean[] = [];
    for (let index = 0; index < writes.length; index += WRITES_PER_PIPELINE) {
      stored.push(...(await this.#writeSome(writes.slice(index, index + WRITES_PER_PIPELINE))));
    }
    return stored;
  }

  async #writeSome(writes: readonly CursorWrite[]): Promise<boolean[]> {
    const pipeline = this.#redis.pipeline() as MovingPipeline;
    for (const { key, position } of writes) {
      const text = formatPosition(position);
      pipeline.moveCursorForward(hashOf(key), key.conversation, text, CURSOR_TTL_MS);
    }
    try {
      const results = (await pipeline.exec()) ?? [];
      return writes.map((_, index) => results[index]?.[0] === null);
    } catch (error) {
      this.#logger.warn({ error: String(error), writes: writes.length }, "cursors not written");
      return writes.map(() => false);
    }
  }
}

type MovingPipeline = ReturnType<Redis["pipeline"]> & {
  moveCursorForward(hash: string, conversation: string, position: string, ttlMs: number): unknown;
};

/**
 * The braces keep a user's hashes on one node of a Redis Cluster. Encoded ids hold neither colons
 * nor braces, and device names and session ids hold no colon, so no two holders share a hash.
 */
function hashOf({ user, holder }: CursorKey): string {
  const owner = `mr:cursor:{${percentEncode(user)}}`;
  return holder.kind === "device" ? `${owner}:d:${holder.name}` : `${owner}:s:${holder.id}`;
}
