import { type Clock, type Logger, within } from "@millrace/runtime";
import type { RedisClient, RedisLink } from "./redis-link.ts";

/** Between two questions whether a Redis that hung answers again. */
const PROBE_MS = 500;

/** A command of a cluster may be sent from node to node; it is not waited for longer than this. */
const ANSWER_MS_MAX = 2_000;

const TELL_AGAIN_MS = 10_000;
const TOLD_MAX = 20;

/** Slots that are known to be silent; beyond it a silent one is asked again and again. */
const SILENT_MAX = 1_000;

export interface RedisHealthOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts commands that were answered with an error. */
  readonly refusals?: { inc(): void };
}

/**
 * Asks Redis, and nobody waits twice for one that hangs: after a command without an answer all
 * others fail at once, until a probe of its own is answered. A closed connection fails at once
 * anyway (see `connectRedis`). In a cluster this holds for each hash tag, so that one node that
 * hangs keeps nothing from the others.
 */
export class RedisHealth {
  readonly #redis: RedisLink;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #refusals: RedisHealthOptions["refusals"];
  /** Hash tags that are not answered; of a single Redis there is one, the empty one. */
  readonly #silent = new Set<string>();
  /** What was said lately, and when. */
  readonly #told = new Map<string, number>();
  /** Undefined until it was told. */
  #isEvicting: boolean | undefined;

  constructor(redis: RedisLink, options: RedisHealthOptions) {
    this.#redis = redis;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#refusals = options.refusals;
    redis.onClient((client) => client.on("ready", () => void this.#lookAtPolicy(client)));
  }

  /** Redis may throw away what it was given: what it does not have may have been there. */
  get isEvicting(): boolean {
    return this.#isEvicting !== false;
  }

  get isUp(): boolean {
    return this.#redis.isReady && !this.#silent.has("");
  }

  /** What Redis answered about that key; undefined when it did not, or refused. Never rejects. */
  async ask<Answer>(
    key: string,
    command: (client: RedisClient) => Promise<Answer>,
  ): Promise<Answer | undefined> {
    const tag = this.#redis.isCluster ? tagOf(key) : "";
    if (!this.#redis.isReady || this.#silent.has(tag)) return undefined;
    try {
      const answer = command(this.#redis.client);
      // A single Redis has answered, or the client has given up, long before (see `connectRedis`).
      return await (this.#redis.isCluster ? within(this.#clock, ANSWER_MS_MAX, answer) : answer);
    } catch (error) {
      this.#fail(tag, error);
      return undefined;
    }
  }

  /** Never rejects. */
  async #lookAtPolicy(client: RedisClient): Promise<void> {
    let memory: string;
    try {
      memory = await within(this.#clock, ANSWER_MS_MAX, client.info("memory"));
    } catch {
      // Asked again with the next connection; until then what was known holds.
      return;
    }
    const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? "noeviction";
    this.#isEvicting = policy !== "noeviction";
    if (!this.#isEvicting) return;
    const what = "redis may evict keys: set maxmemory-policy to noeviction";
    this.#logger.warn({ policy }, what);
  }

  #fail(tag: string, error: unknown): void {
    // An error that Redis itself wrote (no memory, no right) is an answer: the link is fine.
    const isAnswer = error instanceof Error && error.name === "ReplyError";
    this.#tell(String(error), isAnswer ? "redis refuses" : "redis is silent");
    if (isAnswer) this.#refusals?.inc();
    if (isAnswer || this.#silent.has(tag) || this.#silent.size >= SILENT_MAX) return;
    this.#silent.add(tag);
    this.#probeLater(tag);
  }

  /** The same words once in a while, however often they are true. */
  #tell(error: string, what: string): void {
    const nowMs = this.#clock.nowMs();
    for (const [text, toldMs] of this.#told) {
      if (nowMs - toldMs >= TELL_AGAIN_MS) this.#told.delete(text);
    }
    if (this.#told.has(error) || this.#told.size >= TOLD_MAX) return;
    this.#told.set(error, nowMs);
    this.#logger.warn({ error }, what);
  }

  #probeLater(tag: string): void {
    this.#clock.after(PROBE_MS, () => void this.#probe(tag));
  }

  async #probe(tag: string): Promise<void> {
    if (this.#redis.isEnded) return;
    try {
      const { client } = this.#redis;
      const probe = tag === "" ? client.ping() : client.get(`mr:probe:{${tag}}`);
      await within(this.#clock, ANSWER_MS_MAX, probe);
      this.#silent.delete(tag);
      this.#logger.info({}, "redis answers again");
    } catch {
      // Still silent: asked again.
      this.#probeLater(tag);
    }
  }
}

/** What a key's slot is made of, where it has a hash tag. */
function tagOf(key: string): string {
  return /\{([^}]+)\}/.exec(key)?.[1] ?? key;
}
