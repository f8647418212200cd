import type { CredentialFolder, Logger } from "@millrace/runtime";
import { Cluster, Redis } from "ioredis";
import { type RedisPlace, redisPlace } from "./redis-place.ts";

/** What is used of a client, be it of one Redis or of a cluster. */
export interface RedisClient {
  readonly status: string;
  ping(): Promise<string>;
  info(section: string): Promise<string>;
  get(key: string): Promise<string | null>;
  getBuffer(key: string): Promise<Buffer | null>;
  pexpire(key: string, lifeMs: number): Promise<number>;
  hgetall(key: string): Promise<Record<string, string>>;
  zrevrange(key: string, first: number, last: number): Promise<string[]>;
  publish(channel: string, text: string): Promise<number>;
  subscribe(channel: string): Promise<unknown>;
  getdel(key: string): Promise<string | null>;
  set(key: string, value: string, unit: "PX", lifeMs: number): Promise<unknown>;
  set(key: string, value: Buffer, unit: "PX", lifeMs: number, when: "NX"): Promise<unknown>;
  defineCommand(
    name: string,
    script: { readonly lua: string; readonly numberOfKeys?: number },
  ): void;
  on(event: "ready", listener: () => void): unknown;
  on(event: "message", listener: (channel: string, text: string) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  quit(): Promise<unknown>;
  disconnect(): void;
}

export interface RedisLinkOptions {
  readonly logger: Logger;
  /** Without it, the address says all there is to say. */
  readonly credentials?: CredentialFolder;
}

const COMMAND_TIMEOUT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 2_000;
const RETRY_MS_MAX = 2_000;

/**
 * A connection on which a question is not answered for so long is made anew: the host behind it may
 * be gone without a word, while its address leads to another one.
 */
const SILENT_CONNECTION_MS = 3_000;

/** A server that refuses to be written to was deposed, perhaps: the address may lead elsewhere now. */
const DEPOSED_APART_MS = 1_000;

/** A command that a cluster sends elsewhere gives up after so many turns, 100 ms apart. */
const REDIRECTIONS_MAX = 5;

/**
 * A connection to Redis that never makes anybody wait: a command fails at once while there is no
 * connection, and after a second when Redis hangs. Nothing is queued for later.
 *
 * Changed credentials make a client of their own, which takes over when it is ready, so that a
 * mistyped password costs nothing while the old connection lives; the old one ends with its answers.
 */
export class RedisLink {
  readonly #addresses: string;
  readonly #options: RedisLinkOptions;
  readonly #stopListening: (() => void) | undefined;
  readonly #preparations: ((client: RedisClient) => void)[] = [];
  #client: RedisClient | undefined;
  #newcomer: RedisClient | undefined;
  #isEnded = false;

  constructor(addresses: string, options: RedisLinkOptions) {
    this.#addresses = addresses;
    this.#options = options;
    this.#client = this.#connect();
    this.#stopListening = options.credentials?.onChange(() => this.#renew());
  }

  /** Throws while there are no credentials to connect with. */
  get client(): RedisClient {
    if (this.#client === undefined) throw new Error("Redis can't be connected to");
    return this.#client;
  }

  get isReady(): boolean {
    return this.#client?.status === "ready";
  }

  get isCluster(): boolean {
    return this.#client instanceof Cluster;
  }

  /** It was ended here, for good. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** For the client there is, and for every one that follows it. */
  onClient(prepare: (client: RedisClient) => void): void {
    this.#preparations.push(prepare);
    for (const client of [this.#client, this.#newcomer]) if (client) prepare(client);
  }

  disconnect(): void {
    this.#isEnded = true;
    this.#stopListening?.();
    this.#client?.disconnect();
    this.#newcomer?.disconnect();
  }

  #renew(): void {
    // What is not ready yet was made with credentials that have changed again.
    this.#newcomer?.disconnect();
    this.#newcomer = this.#connect();
    const { status } = this.#client ?? {};
    if (status !== "ready" && this.#newcomer !== undefined) this.#takeOver(this.#newcomer);
  }

  #takeOver(client: RedisClient): void {
    const old = this.#client;
    this.#client = client;
    this.#newcomer = undefined;
    // Answered in order, so whoever waits for something has it before the connection ends.
    old?.quit().catch(() => old.disconnect());
  }

  #connect(): RedisClient | undefined {
    const { logger, credentials } = this.#options;
    let client: RedisClient;
    try {
      client = clientOf(redisPlace(this.#addresses, credentials));
    } catch (cause) {
      logger.warn({ error: reasonOf(cause) }, "redis can't be connected to");
      return undefined;
    }
    for (const prepare of this.#preparations) prepare(client);
    let isReported = false;
    client.on("error", (error) => {
      // One line per outage, however often the connection is tried.
      if (!isReported) logger.warn({ error: reasonOf(error) }, "redis is away");
      isReported = true;
    });
    client.on("ready", () => {
      if (this.#newcomer === client) {
        this.#takeOver(client);
        logger.info({}, "redis is connected to with the changed credentials");
      } else if (isReported) logger.info({}, "redis is back");
      isReported = false;
    });
    return client;
  }
}

export function connectRedis(addresses: string, options: RedisLinkOptions): RedisLink {
  return new RedisLink(addresses, options);
}

/** Whether an error is a reason to connect anew: not more often than once in a while. */
function deposedServers(): (error: Error) => boolean {
  let lastMs = Number.NEGATIVE_INFINITY;
  return ({ message }) => {
    const nowMs = performance.now();
    if (!message.includes("READONLY") || nowMs - lastMs < DEPOSED_APART_MS) return false;
    lastMs = nowMs;
    return true;
  };
}

function clientOf({ isCluster, nodes, security }: RedisPlace): RedisClient {
  const connection = {
    ...security,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENT_CONNECTION_MS,
    reconnectOnError: deposedServers(),
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    // A right that is not needed need not be given.
    disableClientInfo: true,
  };
  if (!isCluster) {
    const once = { enableOfflineQueue: false, retryStrategy: retryAfterMs };
    return new Redis({ ...nodes[0], ...connection, ...once });
  }
  return new Cluster([...nodes], {
    redisOptions: connection,
    enableOfflineQueue: false,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    // It would need one right more, and where that is missing it would say nothing of it.
    enableReadyCheck: false,
    maxRedirections: REDIRECTIONS_MAX,
    clusterRetryStrategy: retryAfterMs,
  });
}

function retryAfterMs(attempt: number): number {
  return Math.random() * Math.min(RETRY_MS_MAX, 50 * 2 ** attempt);
}

/** Of a cluster, only the error inside says why no node could be used. */
function reasonOf(error: unknown): string {
  const { message = String(error), lastNodeError } = error as Partial<Error> & {
    readonly lastNodeError?: Error | null;
  };
  return lastNodeError?.message ? `${message} ${lastNodeError.message}` : message;
}
