import { type EpochId, type Position, formatPosition } from "@millrace/schemas";
import { CURSOR_RETENTION_MS } from "@millrace/schemas";
import type { CursorKey } from "@millrace/schemas/record";
import type { RedisHealth } from "../redis/redis-health.ts";
import type { RedisClient, RedisLink } from "../redis/redis-link.ts";
import { CURSOR_BUCKETS, builderAt, cursorHash, markerAt, markerOf } from "./cursor-place.ts";
import { BEGIN_REBUILD, END_REBUILD, MOVE_FORWARD, READ } from "./cursor-scripts.ts";
import type { CursorOutcome } from "./cursors.ts";

export interface CursorWrite {
  readonly key: CursorKey;
  readonly position: Position;
}

export interface CursorStore {
  /** Never rejects: a store that does not answer in time, or is not whole, is `unknown`. */
  read(key: CursorKey): Promise<CursorOutcome>;
  /** For each write, at the same index, whether the store has that position or a newer one. */
  write(writes: readonly CursorWrite[]): Promise<readonly boolean[]>;
}

/** A bucket whose cursors are being put back: which one, and in which run of which Redis. */
export interface CursorRebuild {
  readonly bucket: number;
  readonly run: string;
}

/** So many writes are on their way at once. */
const WRITES_AT_ONCE = 1_000;

/** Without a word of its builder for that long, a rebuild is somebody else's. */
const BUILDER_MS = 10_000;

const UNKNOWN: CursorOutcome = { kind: "unknown" };

type Scripts = RedisClient & {
  readCursor(
    hash: string,
    marker: string,
    conversation: string,
  ): Promise<readonly [number, string | null]>;
  moveCursorForward(hash: string, ...rest: (string | number)[]): Promise<number>;
  beginCursorRebuild(
    marker: string,
    builder: string,
    ...rest: (string | number)[]
  ): Promise<string>;
  endCursorRebuild(marker: string, builder: string, ...rest: string[]): Promise<number>;
};

/**
 * Cursors in Redis: one hash per device or session, a field per conversation. Each is a command of
 * its own, because a Redis Cluster takes no pipeline whose keys are on several nodes; commands of
 * one turn leave together all the same.
 */
export class RedisCursorStore implements CursorStore {
  readonly #health: RedisHealth;
  readonly #epoch: () => EpochId | undefined;

  /** `epoch`: the incarnation of the topic of cursors, once it is known. */
  constructor(redis: RedisLink, health: RedisHealth, epoch: () => EpochId | undefined) {
    this.#health = health;
    this.#epoch = epoch;
    redis.onClient((client) => {
      client.defineCommand("readCursor", { numberOfKeys: 2, lua: READ });
      client.defineCommand("moveCursorForward", { numberOfKeys: 1, lua: MOVE_FORWARD });
      client.defineCommand("beginCursorRebuild", { numberOfKeys: 2, lua: BEGIN_REBUILD });
      client.defineCommand("endCursorRebuild", { numberOfKeys: 2, lua: END_REBUILD });
    });
  }

  async read(key: CursorKey): Promise<CursorOutcome> {
    const epoch = this.#epoch();
    if (epoch === undefined) return UNKNOWN;
    const [hash, marker] = [cursorHash(epoch, key), markerOf(epoch, key.user)];
    const answer = await this.#ask(hash, (client) =>
      client.readCursor(hash, marker, key.conversation),
    );
    if (answer === undefined) return UNKNOWN;
    const [isWhole, text] = answer;
    if (isWhole !== 1) return UNKNOWN;
    if (text !== null) return { kind: "position", text };
    // Thrown away, perhaps, by a Redis that may.
    return this.#health.isEvicting ? UNKNOWN : { kind: "none" };
  }

  write(writes: readonly CursorWrite[]): Promise<readonly boolean[]> {
    return this.#moveAll(writes, () => false);
  }

  /** From the topic: what is of an incarnation of the messages that is over replaces nothing. */
  restore(writes: readonly CursorWrite[], current: EpochId): Promise<readonly boolean[]> {
    return this.#moveAll(writes, ({ position }) => position.epoch !== current);
  }

  /**
   * Claims the buckets that are not whole and nobody rebuilds, or prolongs the claim. Undefined: Redis
   * does not answer.
   */
  async beginRebuild(token: string): Promise<readonly CursorRebuild[] | undefined> {
    const epoch = this.#epoch();
    if (epoch === undefined) return undefined;
    const runs = await Promise.all(
      Array.from({ length: CURSOR_BUCKETS }, (_, bucket) =>
        this.#ask(markerAt(epoch, bucket), (client) => {
          const keys = [markerAt(epoch, bucket), builderAt(epoch, bucket)] as const;
          return client.beginCursorRebuild(...keys, token, BUILDER_MS);
        }),
      ),
    );
    if (runs.includes(undefined)) return undefined;
    return runs.flatMap((run, bucket) => (run === undefined || run === "" ? [] : { bucket, run }));
  }

  /** Whether all of them are whole now: nothing has begun anew meanwhile. */
  async endRebuild(token: string, rebuilds: readonly CursorRebuild[]): Promise<boolean> {
    const epoch = this.#epoch();
    if (epoch === undefined) return false;
    const ends = await Promise.all(
      rebuilds.map(({ bucket, run }) =>
        this.#ask(markerAt(epoch, bucket), (client) => {
          const keys = [markerAt(epoch, bucket), builderAt(epoch, bucket)] as const;
          return client.endCursorRebuild(...keys, token, run);
        }),
      ),
    );
    return ends.every((end) => end === 1);
  }

  async #moveAll(
    writes: readonly CursorWrite[],
    isOver: (write: CursorWrite) => boolean,
  ): Promise<readonly boolean[]> {
    const epoch = this.#epoch();
    if (epoch === undefined) return writes.map(() => false);
    const stored: boolean[] = [];
    for (let index = 0; index < writes.length; index += WRITES_AT_ONCE) {
      const some = writes.slice(index, index + WRITES_AT_ONCE);
      const moved = await Promise.all(
        some.map((write) => this.#moveForward(epoch, write, isOver(write))),
      );
      stored.push(...moved);
    }
    return stored;
  }

  async #moveForward(
    epoch: EpochId,
    { key, position }: CursorWrite,
    isOver: boolean,
  ): Promise<boolean> {
    const words = [key.conversation, formatPosition(position), CURSOR_RETENTION_MS];
    const hash = cursorHash(epoch, key);
    const moved = await this.#ask(hash, (client) =>
      client.moveCursorForward(hash, ...words, isOver ? "1" : "0"),
    );
    return moved !== undefined;
  }

  #ask<Answer>(
    key: string,
    command: (client: Scripts) => Promise<Answer>,
  ): Promise<Answer | undefined> {
    return this.#health.ask(key, (client) => command(client as Scripts));
  }
}
