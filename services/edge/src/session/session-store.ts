import { type DeviceName, type UserId, percentEncode } from "@millrace/schemas";
import type { RedisHealth } from "../redis/redis-health.ts";
import type { RedisClient, RedisLink } from "../redis/redis-link.ts";
import { ACCEPT, END, IS_STALE, TOUCH } from "./session-scripts.ts";

/** Where a session's connection is: its id, and the channel of the edge that has it. */
export interface ConnectionPlace {
  readonly conn: string;
  readonly edge: string;
}

export interface SessionWish extends ConnectionPlace {
  readonly user: UserId;
  readonly device: DeviceName | undefined;
  /** The one to go on with, if any. */
  readonly sessionId: string | undefined;
  /** For where there is none to go on with. */
  readonly newSessionId: string;
  readonly attempt: number;
  readonly nowMs: number;
  /** Whether its subscriptions stay, to be restored. */
  readonly keepsSubscriptions: boolean;
}

export type AcceptOutcome =
  | { readonly kind: "new" }
  /** Not higher than the last accepted attempt. */
  | { readonly kind: "stale" }
  | {
      readonly kind: "resumed";
      /** The connection that had it; undefined: nobody. */
      readonly former: ConnectionPlace | undefined;
      /** Conversations, and after which position each was subscribed. */
      readonly subscriptions: ReadonlyMap<string, string>;
    };

/** A session that a connection of this edge has. */
export interface HeldSession extends ConnectionPlace {
  readonly user: UserId;
  readonly device: DeviceName | undefined;
  readonly sessionId: string;
  readonly attempt: number;
  readonly sinceMs: number;
  readonly lastActiveMs: number;
  readonly isConnected: boolean;
  /** Anything was ever subscribed in it, as far as this edge knows. */
  readonly isUsed: boolean;
  /** Since the last time: the start of each new subscription, undefined for one that is gone. */
  readonly changes: ReadonlyMap<string, string | undefined>;
  /** The changes are all subscriptions there are. */
  readonly isWhole: boolean;
}

/** `new`: Redis did not know it. */
export type TouchOutcome = "mine" | "new" | "replaced" | "ended";

/** A session, as its user or an operator sees it. */
export interface SessionView {
  readonly session: string;
  readonly device?: string;
  readonly conn?: string;
  readonly edge?: string;
  readonly sinceMs: number;
  readonly lastActiveMs: number;
}

const SESSION_LIFETIME_MS = 24 * 3_600_000;
/** Of one that never subscribed; its connection renews it by touching it. */
const UNUSED_LIFETIME_MS = 60_000;

/** Sessions, and changed subscriptions, that are written by one script: about a millisecond. */
const BATCH_MAX = 64;
const BATCH_CHANGES_MAX = 512;

type Scripts = RedisClient & {
  acceptSession(...words: (string | number)[]): Promise<readonly string[]>;
  isSessionStale(...words: (string | number)[]): Promise<number>;
  touchSessions(keys: number, ...words: (string | number)[]): Promise<readonly TouchOutcome[]>;
  endSession(...words: (string | number)[]): Promise<readonly [string, string] | null>;
};

/** The sessions in Redis. Undefined answers everywhere: Redis does not answer. Never rejects. */
export class SessionStore {
  readonly #redis: RedisLink;
  readonly #health: RedisHealth;

  constructor(redis: RedisLink, health: RedisHealth) {
    this.#redis = redis;
    this.#health = health;
    redis.onClient((client) => {
      client.defineCommand("acceptSession", { numberOfKeys: 4, lua: ACCEPT });
      client.defineCommand("isSessionStale", { numberOfKeys: 1, lua: IS_STALE });
      client.defineCommand("touchSessions", { lua: TOUCH });
      client.defineCommand("endSession", { numberOfKeys: 3, lua: END });
    });
  }

  /** One step: of two connections that ask for one session, the one with the higher attempt has it. */
  async accept(wish: SessionWish): Promise<AcceptOutcome | undefined> {
    const { user, sessionId = "", newSessionId, attempt, device = "", conn, edge, nowMs } = wish;
    const [hash, subscriptions, set] = keysOf(user, sessionId);
    const [newHash] = keysOf(user, newSessionId);
    const keeps = wish.keepsSubscriptions ? "1" : "0";
    const who = [sessionId, newSessionId, attempt, device, conn, edge];
    const answer = await this.#ask(hash, (client) =>
      client.acceptSession(
        hash,
        subscriptions,
        set,
        newHash,
        ...who,
        Math.trunc(nowMs),
        SESSION_LIFETIME_MS,
        keeps,
        UNUSED_LIFETIME_MS,
      ),
    );
    if (answer === undefined) return undefined;
    const [kind, formerConn = "", formerEdge = "", ...pairs] = answer;
    if (kind !== "resumed") return { kind: kind === "stale" ? "stale" : "new" };
    const former = formerConn === "" ? undefined : { conn: formerConn, edge: formerEdge };
    return { kind, former, subscriptions: mapOf(pairs) };
  }

  /** Whether `accept` would refuse that attempt. */
  async isStale(
    wish: Pick<SessionWish, "user" | "device" | "attempt"> & { readonly sessionId: string },
  ): Promise<boolean | undefined> {
    const { user, sessionId, attempt, device = "" } = wish;
    const [hash] = keysOf(user, sessionId);
    const answer = await this.#ask(hash, (client) => client.isSessionStale(hash, attempt, device));
    return answer === undefined ? undefined : answer === 1;
  }

  /** Of each, at the same index. A command for each would be most of what an idle edge does. */
  async touch(all: readonly HeldSession[]): Promise<(TouchOutcome | undefined)[]> {
    const outcomes = await Promise.all(
      this.#together(all).map(async (batch) => {
        const answer = await this.#touch(batch);
        return batch.map((_, index) => answer?.[index]);
      }),
    );
    return outcomes.flat();
  }

  /** What one script may do: it keeps all others of that Redis waiting, and in a cluster has one user. */
  #together(all: readonly HeldSession[]): HeldSession[][] {
    const batches: HeldSession[][] = [];
    let batch: HeldSession[] = [];
    let changes = 0;
    for (const held of all) {
      changes += held.changes.size;
      const isFull = batch.length >= BATCH_MAX || changes > BATCH_CHANGES_MAX;
      if (batch.length === 0 || isFull || this.#redis.isCluster) {
        batch = [];
        batches.push(batch);
        changes = held.changes.size;
      }
      batch.push(held);
    }
    return batches;
  }

  #touch(batch: readonly HeldSession[]): Promise<readonly TouchOutcome[] | undefined> {
    const keys = batch.flatMap(({ user, sessionId }) => keysOf(user, sessionId));
    const words = batch.flatMap(wordsOf);
    return this.#ask(keys[0] ?? "", (client) =>
      client.touchSessions(keys.length, ...keys, SESSION_LIFETIME_MS, UNUSED_LIFETIME_MS, ...words),
    );
  }

  /** Where its connection was, `undefined` in it for nobody; null: there is no such session. */
  async end(
    user: UserId,
    sessionId: string,
  ): Promise<{ readonly former: ConnectionPlace | undefined } | null | undefined> {
    const keys = keysOf(user, sessionId);
    const answer = await this.#ask(keys[0], (client) =>
      client.endSession(...keys, sessionId, SESSION_LIFETIME_MS),
    );
    if (answer === undefined || answer === null) return answer;
    const [conn, edge] = answer;
    return { former: conn === "" ? undefined : { conn, edge } };
  }

  async list(user: UserId): Promise<readonly SessionView[] | undefined> {
    const [, , set] = keysOf(user, "");
    const ids = await this.#health.ask(set, (client) => client.zrevrange(set, 0, -1));
    if (ids === undefined) return undefined;
    const hashes = await Promise.all(
      ids.map((id) => this.#health.ask(set, (client) => client.hgetall(keysOf(user, id)[0]))),
    );
    if (hashes.includes(undefined)) return undefined;
    return hashes.flatMap((fields, index) => viewOf(ids[index] ?? "", fields ?? {}));
  }

  #ask<Answer>(
    key: string,
    command: (client: Scripts) => Promise<Answer>,
  ): Promise<Answer | undefined> {
    return this.#health.ask(key, (client) => command(client as Scripts));
  }
}

/** As the script reads them. */
function wordsOf(held: HeldSession): (string | number)[] {
  const { sessionId, device = "", attempt, conn, edge, lastActiveMs, sinceMs, changes } = held;
  const who = [sessionId, device, attempt, conn, edge];
  const times = [Math.trunc(lastActiveMs), Math.trunc(sinceMs)];
  const changed = [...changes].flatMap(([name, start]) => [name, start ?? ""]);
  const flags = [held.isConnected, held.isUsed, held.isWhole].map((flag) => (flag ? "1" : "0"));
  return [...who, ...times, ...flags, changes.size, ...changed];
}

function viewOf(session: string, fields: Readonly<Record<string, string>>): SessionView[] {
  const { device = "", conn = "", edge = "", since, seen } = fields;
  // Its hash has ended before its place in the set.
  if (since === undefined || seen === undefined) return [];
  // The channel's name ends with the edge's incarnation, which is nobody's business.
  const place = { conn, edge: edge.slice(0, edge.lastIndexOf("~")) };
  return [
    {
      session,
      ...(device !== "" && { device }),
      ...(conn !== "" && place),
      sinceMs: Number(since),
      lastActiveMs: Number(seen),
    },
  ];
}

function mapOf(pairs: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    map.set(pairs[index] ?? "", pairs[index + 1] ?? "");
  }
  return map;
}

/** Session, subscriptions, the user's set: on one node of a Redis Cluster. */
function keysOf(user: string, sessionId: string): [string, string, string] {
  const owner = `{${percentEncode(user)}}`;
  const session = `mr:session:${owner}:${sessionId}`;
  return [session, `${session}:subs`, `mr:sessions:${owner}`];
}
