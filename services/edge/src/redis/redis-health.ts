import type { Clock, Logger } from "@millrace/runtime";
import type { RedisClient, RedisLink } from "./redis-link.ts";

/** Between two questions whether a Redis that hung answers again. */
const PROBE_MS = 500;

/**
 * Asks Redis, and nobody waits twice for one that hangs: after a command without an answer all
 * others fail at once, until a probe of its own is answered. A closed connection fails at once
 * anyway (see `connectRedis`).
 */
export class RedisHealth {
  readonly #redis: RedisLink;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #isUp = true;

  constructor(redis: RedisLink, options: { readonly clock: Clock; readonly logger: Logger }) {
    this.#redis = redis;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  get isUp(): boolean {
    return this.#isUp && this.#redis.isReady;
  }

  /** What Redis answered; undefined when it did not, or refused. Never rejects. */
  async ask<Answer>(
    command: (client: RedisClient) => Promise<Answer>,
  ): Promise<Answer | undefined> {
    if (!this.isUp) return undefined;
    try {
      return await command(this.#redis.client);
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #fail(error: unknown): void {
    // An error that Redis itself wrote (no memory, no right) is an answer: the link is fine.
    const isAnswer = error instanceof Error && error.name === "ReplyError";
    this.#logger.warn({ error: String(error) }, isAnswer ? "redis refuses" : "redis is silent");
    if (isAnswer || !this.#isUp) return;
    this.#isUp = false;
    this.#probeLater();
  }

  #probeLater(): void {
    this.#clock.after(PROBE_MS, () => void this.#probe());
  }

  async #probe(): Promise<void> {
    if (this.#redis.isEnded) return;
    try {
      await this.#redis.client.ping();
      this.#isUp = true;
      this.#logger.info({}, "redis answers again");
    } catch {
      // Still silent: asked again.
      this.#probeLater();
    }
  }
}
