import type { CredentialSource } from "@millrace/runtime";
import { Cluster, Redis } from "ioredis";
import { type RedisPlace, redisPlace } from "../../services/edge/src/redis/redis-place.ts";
import { StartRefusal } from "./start-refusal.ts";

/** A Redis that is there already, and how to log in to it. */
export interface GivenRedis {
  /** Or several, separated by commas: a cluster. */
  readonly url: string;
  readonly credentials?: CredentialSource;
}

const TIMEOUT_MS = 3_000;
const SCAN_COUNT = 1_000;
const ADVICE = "\n  - check REDIS_URL, or unset it: then a Redis of our own is launched";

/** All that the product writes into Redis begins so: docs/operations.md. */
const KEYS = "mr:*";

/** A Redis that does not answer refuses the start. */
export function checkRedis(redis: GivenRedis): Promise<void> {
  // Whoever is connected was answered: no command is asked for that an edge has no right to.
  return withRedis(redis, () => Promise.resolve());
}

/** Deletes the product's keys, and no others. */
export function deleteKeys(redis: GivenRedis): Promise<void> {
  return withRedis(redis, async (client) => {
    for (const node of client instanceof Cluster ? client.nodes("master") : [client]) {
      for await (const keys of node.scanStream({ match: KEYS, count: SCAN_COUNT })) {
        // One by one, because a cluster takes no command with keys of several slots.
        await Promise.all((keys as string[]).map((key) => node.unlink(key)));
      }
    }
  });
}

async function withRedis(
  { url, credentials }: GivenRedis,
  act: (client: Redis | Cluster) => Promise<void>,
): Promise<void> {
  // The failure of the command only says that there is no connection; this says why.
  let cause: unknown;
  let client: Redis | Cluster | undefined;
  try {
    client = clientOf(redisPlace(url, credentials));
    client.on("error", (error: Error) => {
      cause = error;
    });
    await client.connect();
    await act(client);
  } catch (error) {
    const why = [cause, error].find((one) => one instanceof Error)?.message ?? "it does not answer";
    throw new StartRefusal(`Redis at ${placeOf(url)} can't be used: ${why}${ADVICE}`, {
      cause: error,
    });
  } finally {
    client?.disconnect();
  }
}

function clientOf({ isCluster, nodes, security }: RedisPlace): Redis | Cluster {
  const connection = {
    ...security,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
  };
  const once = { lazyConnect: true, retryStrategy: () => null };
  if (!isCluster) return new Redis({ ...nodes[0], ...connection, ...once });
  return new Cluster([...nodes], {
    lazyConnect: true,
    redisOptions: connection,
    enableReadyCheck: false,
    clusterRetryStrategy: () => null,
  });
}

/** Without user and password. */
function placeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "the address in REDIS_URL";
}
