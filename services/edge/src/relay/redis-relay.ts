import type { Clock, Logger } from "@millrace/runtime";
import { RedisHealth } from "../redis/redis-health.ts";
import type { RedisLink } from "../redis/redis-link.ts";
import type { PieceSource } from "./relay-receiver.ts";
import type { PiecePost } from "./relay-sender.ts";

/** Pieces that Redis has not answered for; beyond it they are lost at once. */
const UNANSWERED_BYTES_MAX = 16_777_216;

/**
 * The relay's way through Redis: sharded pub/sub (Redis 7), whose channels belong to a node of a
 * cluster as keys do. It has connections of its own, so that a broadcast keeps no other command
 * waiting, nor is cut off with one. A piece that does not get through is lost, and its successor's
 * base says so.
 */
export class RedisRelay implements PiecePost, PieceSource {
  readonly #saying: RedisHealth;
  readonly #hearing: RedisLink;
  #unansweredBytes = 0;

  constructor(options: {
    readonly saying: RedisLink;
    readonly hearing: RedisLink;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#saying = new RedisHealth(options.saying, options);
    this.#hearing = options.hearing;
  }

  /** `ready` is called for each connection that hears nothing yet, with the way to hear on it. */
  listen(on: {
    readonly piece: (channel: string, bytes: Buffer) => void;
    readonly ready: (hear: (channel: string) => Promise<void>) => void;
  }): void {
    this.#hearing.onClient((client) => {
      client.on("smessageBuffer", (channel, bytes) => on.piece(channel.toString(), bytes));
      client.on("ready", () => {
        on.ready(async (channel) => void (await client.ssubscribe(channel)));
      });
    });
  }

  async post(channel: string, piece: Buffer): Promise<number | undefined> {
    if (this.#unansweredBytes + piece.length > UNANSWERED_BYTES_MAX) return undefined;
    this.#unansweredBytes += piece.length;
    try {
      const heard = await this.#saying.ask(channel, (client) => client.spublish(channel, piece));
      return heard === undefined ? undefined : Number(heard);
    } finally {
      this.#unansweredBytes -= piece.length;
    }
  }

  async hear(channel: string): Promise<void> {
    await this.#hearing.client.ssubscribe(channel);
  }

  async unhear(channel: string): Promise<void> {
    try {
      await this.#hearing.client.sunsubscribe(channel);
    } catch {
      // Not connected: then it hears nothing either. A piece that still comes finds no follower.
    }
  }
}
