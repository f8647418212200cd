import { Redis } from "ioredis";
import { StartRefusal } from "./start-refusal.ts";

const TIMEOUT_MS = 3_000;
const SCAN_COUNT = 1_000;
const ADVICE = "\n  - check REDIS_URL, or unset it: then a Redis of our own is launched";

/** All that the product writes into Redis begins so: docs/operations.md. */
const KEYS = "mr:*";

/** A Redis that does not answer refuses the start. */
export function checkRedis(url: string): Promise<void> {
  return withRedis(url, async (redis) => {
    await redis.ping();
  });
}

/** Deletes the product's keys, and no others. */
export function deleteKeys(url: string): Promise<void> {
  return withRedis(url, async (redis) => {
    for await (const keys of redis.scanStream({ match: KEYS, count: SCAN_COUNT })) {
      if (keys.length > 0) await redis.unlink(...(keys as string[]));
    }
  });
}

async function withRedis(url: string, act: (redis: Redis) => Promise<void>): Promise<void> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // The failure of the command only says that there is no connection; this says why.
  let cause: unknown;
  redis.on("error", (error: Error) => {
    cause = error;
  });
  try {
    await redis.connect();
    await act(redis);
  } catch (error) {
    const why = [cause, error].find((one) => one instanceof Error)?.message ?? "it does not answer";
    throw new StartRefusal(`Redis at ${placeOf(url)} can't be used: ${why}${ADVICE}`, {
      cause: error,
    });
  } finally {
    redis.disconnect();
  }
}

/** Without user and password. */
function placeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "the address in REDIS_URL";
}
