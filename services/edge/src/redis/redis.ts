import type { Logger } from "@millrace/runtime";
import { Redis } from "ioredis";

const COMMAND_TIMEOUT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 2_000;
const RETRY_MS_MAX = 2_000;

/**
 * A connection to Redis that never makes anybody wait: a command fails at once while there is no
 * connection, and after a second when Redis hangs. Nothing is queued for later.
 */
export function connectRedis(url: string, options: { logger: Logger }): Redis {
  const { logger } = options;
  const redis = new Redis(url, {
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.random() * Math.min(RETRY_MS_MAX, 50 * 2 ** attempt),
  });
  let isReported = false;
  redis.on("error", (error: Error) => {
    // One line per outage, however often the connection is tried.
    if (!isReported) logger.warn({ error: error.message }, "redis is away");
    isReported = true;
  });
  redis.on("ready", () => {
    if (isReported) logger.info({}, "redis is back");
    isReported = false;
  });
  return redis;
}
