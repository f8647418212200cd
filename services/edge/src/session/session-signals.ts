import type { Logger } from "@millrace/runtime";
import type { RedisClient, RedisLink } from "../redis/redis-link.ts";
import type { RedisHealth } from "../redis/redis-health.ts";
import type { ConnectionPlace } from "./session-store.ts";

/** Why a connection of another edge has to end. */
export type SessionSignal = "replaced" | "ended";

const WORDS = /^(replaced|ended) (\S+)$/;

/**
 * Tells the edge that has a connection that its session is another's now, by Redis pub/sub on a
 * channel of each edge. A signal may be lost; then the edge finds out when it touches the session.
 */
export class SessionSignals {
  readonly channel: string;
  readonly #health: RedisHealth;

  constructor(options: {
    /** A connection of its own: it does nothing but listen. */
    readonly listening: RedisLink;
    readonly health: RedisHealth;
    readonly logger: Logger;
    readonly channel: string;
    readonly onSignal: (signal: SessionSignal, conn: string) => void;
  }) {
    const { listening, health, logger, channel, onSignal } = options;
    this.channel = channel;
    this.#health = health;
    listening.onClient((client) => {
      client.on("ready", () => listen(client, nameOf(channel), logger));
      client.on("message", (_, text) => {
        const [, signal, conn] = WORDS.exec(text) ?? [];
        if (conn !== undefined) onSignal(signal as SessionSignal, conn);
      });
    });
  }

  async send(signal: SessionSignal, { conn, edge }: ConnectionPlace): Promise<void> {
    const channel = nameOf(edge);
    await this.#health.ask(channel, (client) => client.publish(channel, `${signal} ${conn}`));
  }
}

function listen(client: RedisClient, channel: string, logger: Logger): void {
  client.subscribe(channel).catch((error: unknown) => {
    // The next connection tries again; until then touching the sessions does the work.
    logger.warn({ error: String(error) }, "redis does not let us listen");
  });
}

function nameOf(edge: string): string {
  return `mr:edge:${edge}`;
}
