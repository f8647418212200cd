import { type Clock, type Timer, delay } from "@millrace/runtime";
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

interface OpenConnection {
  readonly connection: KafkaConnection;
  readonly versions: ApiVersions;
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
  #current: KafkaConnection | undefined;
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
    const open = await this.#openedWithin(timeoutMs);
    const wire = typeof request === "function" ? request(open.versions) : request;
    try {
      return await within(clock, deadlineMs - clock.nowMs(), exchange(open.connection, wire));
    } catch (cause) {
      this.#drop(open.connection, "a request failed");
      throw cause;
    }
  }

  close(): void {
    this.#isClosed = true;
    if (this.#current !== undefined) this.#drop(this.#current, "closed");
  }

  /** Whoever waits for an answer on that connection hears of it at once. */
  #drop(connection: KafkaConnection, why: string): void {
    if (this.#current === connection) this.#current = undefined;
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
    if (this.#open?.connection.isConnected() === true) return Promise.resolve(this.#open);
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
    const { clientId, clock, address } = this.#options;
    const to = address();
    if (to === undefined || this.#isClosed) throw new NotSentError("no address known");
    const connection = createConnection({ ...to, clientId, connectTimeoutMs: CONNECT_TIMEOUT_MS });
    this.#current = connection;
    const greeted = connection.connect().then(() => exchange(connection, apiVersionsRequest));
    try {
      return { connection, versions: await within(clock, 2 * CONNECT_TIMEOUT_MS, greeted) };
    } catch (cause) {
      this.#drop(connection, "can't be used");
      throw cause;
    }
  }
}

/** Rejects after that time; the work itself goes on. */
async function within<Answer>(
  clock: Clock,
  timeoutMs: number,
  work: Promise<Answer>,
): Promise<Answer> {
  let timer: Timer | undefined;
  const expired = new Promise<never>((_, reject) => {
    const late = (): void => reject(new Error(`no answer within ${Math.round(timeoutMs)} ms`));
    timer = clock.after(Math.max(0, timeoutMs), late);
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    timer?.cancel();
  }
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

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
