import { randomBytes } from "node:crypto";
import type { Log } from "@millrace/log";
import { type Clock, type Logger, must } from "@millrace/runtime";
import type { EdgeConfig } from "./config.ts";
import type { EdgeCredentials } from "./edge-credentials.ts";
import { type EdgeLimits } from "./limits.ts";
import type { RedisHealth } from "./redis/redis-health.ts";
import { type RedisLink, connectRedis } from "./redis/redis-link.ts";
import { CursorJournal } from "./session/cursor-journal.ts";
import { CursorRebuilder } from "./session/cursor-rebuild.ts";
import { RedisCursorStore } from "./session/cursor-store.ts";
import { Cursors } from "./session/cursors.ts";
import { SessionSignals } from "./session/session-signals.ts";
import { SessionStore } from "./session/session-store.ts";
import { Sessions } from "./session/sessions.ts";

export interface SessionParts {
  readonly redis: RedisLink;
  readonly health: RedisHealth;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: EdgeLimits;
  readonly credentials: EdgeCredentials;
}

const INCARNATION_BYTES = 6;

/** Sessions, and the signals between edges about them. */
export function createSessions(
  config: EdgeConfig,
  parts: SessionParts,
): { readonly sessions: Sessions; stop(): void } {
  const { redis, health, clock, logger, limits, credentials } = parts;
  const store = new SessionStore(redis, health);
  const signals: { current?: SessionSignals } = {};
  const sessions = new Sessions({
    store,
    signals: () => must(signals.current, "signals are there before the first client"),
    clock,
    touchEveryMs: limits.sessionTouchMs,
    saveEveryMs: limits.sessionSaveMs,
    unsavedMax: limits.announced.subscriptions,
  });
  const listening = connectRedis(config.redisUrl, { logger, ...credentials.redis });
  signals.current = new SessionSignals({
    listening,
    health,
    logger,
    channel: `${config.id}~${randomBytes(INCARNATION_BYTES).toString("base64url")}`,
    onSignal: (signal, conn) => sessions.close(conn, signal),
  });
  return {
    sessions,
    stop: () => {
      sessions.stop();
      listening.disconnect();
    },
  };
}

/** Cursors: in Redis, in their topic, and from there back into a Redis that has lost them. */
export function createCursors(
  parts: SessionParts & { readonly log: Log; readonly messages: Log },
): { readonly cursors: Cursors; readonly rebuilder: CursorRebuilder } {
  const { redis, health, clock, logger, limits, log, messages } = parts;
  const store = new RedisCursorStore(redis, health, () => log.epoch?.id);
  const journal = new CursorJournal({ log, clock, limits });
  const rebuilder = new CursorRebuilder({
    log,
    store,
    journal,
    clock,
    logger,
    limits,
    messages: () => messages.epoch?.id,
  });
  return { cursors: new Cursors({ store, journal, clock, limits }), rebuilder };
}
