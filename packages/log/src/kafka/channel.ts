import { type Clock, delay, within } from "@millrace/runtime";
import type { KafkaSecurity } from "./credentials.ts";
import { type KafkaConnection, createConnection, encoderOf } from "./kafkajs.ts";
import { type ApiVersions, apiVersionsRequest } from "./protocol/api-versions.ts";
import { ByteReader } from "./protocol/byte-reader.ts";
import type { WireRequest } from "./protocol/wire-request.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ChannelOptions {
  readonly clock: Clock;
  readonly clientId: string;
  /** Asked for each attempt to connect: a broker may come back elsewhere. */
  readonly address: () => Address | undefined;
  /** Asked for each connection; throws where the credentials can't be used. */
  readonly security: () => KafkaSecurity;
  /** Between 0 and 1. */
  readonly random: () => number;
}

/** The request has not left this process: it had no effect. */
export class NotSentError extends Error {
  override readonly name = "NotSentError";
}

const CONNECT_TIMEOUT_MS = 3_000;
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1_000;

/** A session that ends (KIP-368) is renewed after that share of it. */
const RENEW_SHARE = 0.7;
const RENEW_AGAIN_MS = 500;

interface OpenConnection {
  readonly connection: KafkaConnection;
  readonly versions: ApiVersions;
  /** From then on the broker ends it with the next request. */
  readonly expiresAtMs: number;
  renewAtMs: number;
  unanswered: number;
  /** Another connection has taken its place: it ends with its last answer. */
  isRetired: boolean;
}

/**
 * One connection to one broker, made when it is first needed and anew after it broke. Requests of
 * one channel are answered one after the other, so each kind of work has channels of its own.
 *
 * A request that fails (cut, late, closed) rejects within its time; the connection is then dropped
 * with everything else on it, because a late answer would stand in the way of the next ones.
 */
export class Channel {
  readonly #options: ChannelOptions;
  #open: OpenConnection | undefined;
  #opening: Promise<OpenConnection> | undefined;
  /** All that are open, being made, or retired. */
  readonly #connections = new Set<KafkaConnection>();
  #failures = 0;
  #isClosed = false;

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  /** Rejects with a NotSentError where the broker has surely not seen the request. */
  async send<Answer>(
    request: WireRequest<Answer> | ((versions: ApiVersions) => WireRequest<Answer>),
    timeoutMs: number,
  ): Promise<Answer> {
    const { clock } = this.#options;
    const deadlineMs = clock.nowMs() + timeoutMs;
    let open = await this.#openedWithin(timeoutMs);
    // It may have been renewed, and the old one ended, in the turn between.
    if (open.isRetired) open = await this.#openedWithin(timeoutMs);
    const wire = typeof request === "function" ? request(open.versions) : request;
    open.unanswered++;
    try {
      return await within(clock, deadlineMs - clock.nowMs(), exchange(open.connection, wire));
    } catch (cause) {
      this.#drop(open.connection, "a request failed");
      throw cause;
    } finally {
      open.unanswered--;
      if (open.isRetired) this.#dropAnswered(open);
    }
  }

  /**
   * Takes a new connection, with the credentials as they are now, for all requests to come; those
   * that are out are still answered on the old one. Rejects when there is none to be had; then the
   * old one stays in use, so that a wrong password costs nothing as long as the old one lives.
   */
  async renew(): Promise<void> {
    if (this.#open === undefined && this.#opening === undefined) return;
    // It may have begun with the credentials of before.
    await this.#opening?.catch(() => undefined);
    if (this.#open?.connection.isConnected() !== true) return;
    const fresh = await this.#dial();
    if (this.#isClosed || this.#opening !== undefined) {
      this.#drop(fresh.connection, "not needed");
      return;
    }
    const old = this.#open;
    this.#open = fresh;
    if (old === undefined) return;
    this.#retire(old);
  }

  /** Never rejects: until the session ends there is time for another attempt. */
  async #renewInTime(open: OpenConnection): Promise<void> {
    open.renewAtMs = Number.POSITIVE_INFINITY;
    try {
      await this.renew();
    } catch {
      open.renewAtMs = this.#options.clock.nowMs() + RENEW_AGAIN_MS;
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of this.#connections) this.#drop(connection, "closed");
  }

  #retire(open: OpenConnection): void {
    open.isRetired = true;
    this.#dropAnswered(open);
  }

  #dropAnswered({ connection, unanswered }: OpenConnection): void {
    if (unanswered === 0) this.#drop(connection, "renewed");
  }

  /** Whoever waits for an answer on that connection hears of it at once. */
  #drop(connection: KafkaConnection, why: string): void {
    this.#connections.delete(connection);
    if (this.#open?.connection === connection) this.#open = undefined;
    connection.socket?.destroy(new Error(why));
  }

  async #openedWithin(timeoutMs: number): Promise<OpenConnection> {
    try {
      return await within(this.#options.clock, timeoutMs, this.#opened());
    } catch (cause) {
      if (cause instanceof NotSentError) throw cause;
      throw new NotSentError(`not connected: ${messageOf(cause)}`, { cause });
    }
  }

  #opened(): Promise<OpenConnection> {
    if (this.#isClosed) return Promise.reject(new NotSentError("the channel is closed"));
    const open = this.#open;
    if (open?.connection.isConnected() === true) {
      const nowMs = this.#options.clock.nowMs();
      if (nowMs >= open.renewAtMs) void this.#renewInTime(open);
      if (nowMs < open.expiresAtMs) return Promise.resolve(open);
      this.#open = undefined;
      this.#retire(open);
    }
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #connect(): Promise<OpenConnection> {
    const { clock, random } = this.#options;
    this.#open = undefined;
    if (this.#failures > 0) {
      const backoffMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (this.#failures - 1));
      await delay(clock, backoffMs * (0.5 + random() / 2));
    }
    try {
      const open = await this.#dial();
      this.#open = open;
      this.#failures = 0;
      return open;
    } catch (cause) {
      this.#failures++;
      throw new NotSentError(`can't connect: ${messageOf(cause)}`, { cause });
    }
  }

  async #dial(): Promise<OpenConnection> {
    const { clientId, clock, address, security } = this.#options;
    const to = address();
    if (to === undefined || this.#isClosed) throw new NotSentError("no address known");
    const connection = createConnection({
      ...to,
      clientId,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      security: security(),
    });
    this.#connections.add(connection);
    try {
      const startMs = clock.nowMs();
      const versions = await within(clock, 2 * CONNECT_TIMEOUT_MS, greet(connection));
      const lifeMs = Number(connection.sessionLifetime.toString()) || Number.POSITIVE_INFINITY;
      const session = { expiresAtMs: startMs + lifeMs, renewAtMs: startMs + lifeMs * RENEW_SHARE };
      return { connection, versions, ...session, unanswered: 0, isRetired: false };
    } catch (cause) {
      this.#drop(connection, "can't be used");
      throw cause;
    }
  }
}

async function greet(connection: KafkaConnection): Promise<ApiVersions> {
  await connection.connect();
  const versions = await exchange(connection, apiVersionsRequest);
  await connection.authenticate();
  return versions;
}

function exchange<Answer>(
  connection: KafkaConnection,
  request: WireRequest<Answer>,
): Promise<Answer> {
  const { apiKey, apiName, apiVersion, body } = request;
  return connection.send({
    request: { apiKey, apiName, apiVersion, encode: () => Promise.resolve(encoderOf(body)) },
    response: {
      decode: (payload) => Promise.resolve({ payload }),
      // A malformed answer rejects, it does not throw into the connection.
      parse: async ({ payload }) => request.read(new ByteReader(payload)),
    },
    logResponseError: false,
  });
}

export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
