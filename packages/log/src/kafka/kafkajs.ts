import { createRequire } from "node:module";
import type { Socket } from "node:net";
import kafkajs, { type Cluster } from "kafkajs";
import type { KafkaSecurity } from "./credentials.ts";

const { KafkaJSProtocolError } = kafkajs;

/**
 * The inner parts of kafkajs that are built upon: how a connection is made, secured and logged in.
 * They are not its public interface, so its version is pinned and this is the only file that knows.
 */
export interface KafkaConnection {
  connect(): Promise<unknown>;
  /** Does nothing where the connection was made without a login. */
  authenticate(): Promise<void>;
  setVersions(versions: Readonly<Record<number, VersionRange>>): void;
  setSupportAuthenticationProtocol(isSupported: boolean): void;
  /** Milliseconds for which the broker takes the login; 0 where it does not say. */
  readonly sessionLifetime: { toString(): string };
  /** Missing until `connect` was called. */
  readonly socket?: Socket;
  readonly requestQueue: {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests: () => void;
  };
  /** What the socket brings. */
  processData: (bytes: Buffer) => void;
  /** The socket has failed or was ended by the broker. */
  rejectRequests: (cause: Error) => void;
}

/** Who has a connection once it is logged in. */
export interface Taker {
  receive(bytes: Buffer): void;
  end(cause: Error): void;
}

interface VersionRange {
  readonly minVersion: number;
  readonly maxVersion: number;
}

interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly logger: SilentLogger;
  readonly socketFactory: unknown;
  readonly requestTimeout: number;
  readonly connectionTimeout: number;
  readonly enforceRequestTimeout: false;
  readonly maxInFlightRequests: null;
  readonly reauthenticationThreshold: number;
  readonly ssl: KafkaSecurity["ssl"] | null;
  readonly sasl: KafkaSecurity["sasl"] | null;
}

/**
 * So long before the end of its session a connection would log in anew by itself, between two
 * requests and with the password of before: never, because the channel takes a new one instead.
 */
const RELOGIN_BEFORE_MS = -1e15;

/** SaslHandshake and SaslAuthenticate (KIP-43, KIP-152), in versions that every broker since 2.0 knows. */
const LOGIN_VERSIONS = {
  17: { minVersion: 1, maxVersion: 1 },
  36: { minVersion: 0, maxVersion: 1 },
} as const;

const require = createRequire(import.meta.url);
const Connection = require("kafkajs/src/network/connection") as new (
  options: ConnectionOptions,
) => KafkaConnection;
const RequestQueue = require("kafkajs/src/network/requestQueue") as {
  readonly prototype: KafkaConnection["requestQueue"];
};
const createSocketFactory = require("kafkajs/src/network/socketFactory") as () => unknown;

/** Channels tell of their failures themselves. */
class SilentLogger {
  namespace(): this {
    return this;
  }
  debug(): void {}
  info(): void {}
  warn(): void {}
  error(): void {}
}

export function createConnection(options: {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly connectTimeoutMs: number;
  readonly security: KafkaSecurity;
}): KafkaConnection {
  const { ssl = null, sasl = null } = options.security;
  const connection = new Connection({
    host: options.host,
    port: options.port,
    clientId: options.clientId,
    logger: new SilentLogger(),
    socketFactory: createSocketFactory(),
    requestTimeout: options.connectTimeoutMs,
    connectionTimeout: options.connectTimeoutMs,
    enforceRequestTimeout: false,
    maxInFlightRequests: null,
    reauthenticationThreshold: RELOGIN_BEFORE_MS,
    ssl,
    sasl,
  });
  connection.setVersions(LOGIN_VERSIONS);
  connection.setSupportAuthenticationProtocol(true);
  silenceIdleTimer(connection.requestQueue);
  return connection;
}

let areTimersSilent = false;

/** The same for the connections that kafkajs makes by itself, as for a group. */
export function silenceIdleTimers(): void {
  if (areTimersSilent) return;
  areTimersSilent = true;
  silenceIdleTimer(RequestQueue.prototype);
}

/** Without it every idle connection wakes up a thousand times a second (kafkajs, issue 1704). */
function silenceIdleTimer(queue: KafkaConnection["requestQueue"]): void {
  const schedule = queue.scheduleCheckPendingRequests;
  queue.scheduleCheckPendingRequests = function scheduleWherePending(): void {
    if (this.pending.length > 0) schedule.call(this);
  };
}

/**
 * From now on the socket is the taker's. kafkajs has connected and logged in, and is no longer on
 * the way of a request: with its queue, encoders and fifteen promises it costs more than the rest.
 */
export function takeOver<T extends Taker>(
  connection: KafkaConnection,
  taker: (socket: Socket) => T,
): T {
  const { socket } = connection;
  if (socket === undefined) throw new Error("not connected");
  const taken = taker(socket);
  connection.processData = (bytes) => taken.receive(bytes);
  connection.rejectRequests = (cause) => taken.end(cause);
  socket.setNoDelay(true);
  return taken;
}

/** A group's coordinator, as far as a member's heartbeats go there. */
interface Coordinator {
  heartbeat(payload: unknown): Promise<unknown>;
}

/**
 * Lets a member of a group join again without leaving it, which its public interface can't do: of that
 * the others would hear first, and distribute what it has twice over. Where `isDue` says so the next
 * heartbeat is answered here, in the coordinator's words for "join again".
 */
export function interruptHeartbeats(cluster: Cluster, isDue: () => boolean): void {
  const inner = cluster as unknown as {
    findGroupCoordinator(group: { readonly groupId: string }): Promise<Coordinator>;
  };
  const interrupted = new WeakSet<Coordinator>();
  const find = inner.findGroupCoordinator.bind(cluster);
  inner.findGroupCoordinator = async (group) => {
    const coordinator = await find(group);
    if (interrupted.has(coordinator)) return coordinator;
    interrupted.add(coordinator);
    const beat = coordinator.heartbeat.bind(coordinator);
    coordinator.heartbeat = async (payload) => {
      if (isDue()) throw rebalanceInProgress();
      return beat(payload);
    };
    return coordinator;
  };
}

function rebalanceInProgress(): Error {
  const error = new KafkaJSProtocolError("the member joins again");
  return Object.assign(error, { type: "REBALANCE_IN_PROGRESS", retriable: true });
}
