import { type Clock, delay, messageOf, within } from "@millrace/runtime";
import type { KafkaSecurity } from "./credentials.ts";
import { type KafkaConnection, createConnection, takeOver } from "./kafkajs.ts";
import { type ApiVersions, apiVersionsRequest } from "./protocol/api-versions.ts";
import type { WireRequest } from "./protocol/wire-request.ts";
import { RequestLine } from "./request-line.ts";

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

/** A request, or how it is made for what the broker speaks. */
type Asking<Answer> = WireRequest<Answer> | ((versions: ApiVersions) => WireRequest<Answer>);

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
  readonly line: RequestLine;
  readonly versions: ApiVersions;
  /** From then on the broker ends it with the next request. */
  readonly expiresAtMs: number;
  renewAtMs: number;
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
  send<Answer>(request: Asking<Answer>, timeoutMs: number): Promise<Answer> {
    const open = this.#usable();
    return open === undefined
      ? this.#sendWhenOpen(request, timeoutMs)
      : ask(open, request, timeoutMs);
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
    if (this.#open === undefined || this.#open.line.isOver) return;
    const fresh = await this.#dial();
    if (this.#isClosed || this.#opening !== undefined) {
      this.#drop(fresh.connection, new Error("not needed"));
      return;
    }
    const old = this.#open;
    this.#open = fresh;
    if (old === undefined) return;
    old.line.retire();
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
    for (const connection of this.#connections) this.#drop(connection, new Error("closed"));
  }

  async #sendWhenOpen<Answer>(request: Asking<Answer>, timeoutMs: number): Promise<Answer> {
    const { clock } = this.#options;
    const deadlineMs = clock.nowMs() + timeoutMs;
    let open = await this.#openedWithin(timeoutMs);
    // It may have ended, or been renewed, in the turn between.
    if (open.line.isOver) open = await this.#openedWithin(timeoutMs);
    if (open.line.isOver) throw new NotSentError("cut before it was used");
    return ask(open, request, deadlineMs - clock.nowMs());
  }

  /** Whoever waits for an answer on that connection hears of it at once. */
  #drop(connection: KafkaConnection, why: Error): void {
    this.#connections.delete(connection);
    if (this.#open?.connection === connection) this.#open = undefined;
    connection.socket?.destroy(why);
  }

  async #openedWithin(timeoutMs: number): Promise<OpenConnection> {
    try {
      return await within(this.#options.clock, timeoutMs, this.#opened());
    } catch (cause) {
      if (cause instanceof NotSentError) throw cause;
      throw new NotSentError(`not connected: ${messageOf(cause)}`, { cause });
    }
  }

  /** The connection as it is, where it can take a request at once. */
  #usable(): OpenConnection | undefined {
    const open = this.#open;
    if (open === undefined || open.line.isOver || this.#isClosed) return undefined;
    const nowMs = this.#options.clock.nowMs();
    if (nowMs >= open.renewAtMs) void this.#renewInTime(open);
    if (nowMs < open.expiresAtMs) return open;
    this.#open = undefined;
    open.line.retire();
    return undefined;
  }

  #opened(): Promise<OpenConnection> {
    if (this.#isClosed) return Promise.reject(new NotSentError("the channel is closed"));
    const open = this.#usable();
    if (open !== undefined) return Promise.resolve(open);
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
      const greeting = this.#greet(connection);
      const { line, versions } = await within(clock, 2 * CONNECT_TIMEOUT_MS, greeting);
      const lifeMs = Number(connection.sessionLifetime.toString()) || Number.POSITIVE_INFINITY;
      const session = { expiresAtMs: startMs + lifeMs, renewAtMs: startMs + lifeMs * RENEW_SHARE };
      return { connection, line, versions, ...session };
    } catch (cause) {
      this.#drop(connection, new Error("can't be used"));
      throw cause;
    }
  }

  async #greet(connection: KafkaConnection) {
    const { clientId, clock } = this.#options;
    await connection.connect();
    await connection.authenticate();
    const onEnd = (cause: Error): void => this.#drop(connection, cause);
    const line = takeOver(
      connection,
      (socket) => new RequestLine({ clock, clientId, socket, onEnd }),
    );
    const versions = await line.ask(apiVersionsRequest, CONNECT_TIMEOUT_MS);
    return { line, versions };
  }
}

function ask<Answer>(
  { line, versions }: OpenConnection,
  request: Asking<Answer>,
  timeoutMs: number,
): Promise<Answer> {
  return line.ask(typeof request === "function" ? request(versions) : request, timeoutMs);
}
