import { type Logger, assert, must } from "@millrace/runtime";
import { CLOSES, type CloseCode, SUBPROTOCOL } from "@millrace/schemas";
import uWS from "uWebSockets.js";
import type { Admission, Decision } from "../admission/admission.ts";
import type { Identity } from "../admission/identity.ts";
import type { Refusal } from "../admission/refusal.ts";
import type { SendOutcome, Socket, SocketListener, Writer } from "../connection/socket.ts";
import { refusalAnswer } from "../http/http-answer.ts";
import { HttpApi, NOT_READY } from "../http/http-api.ts";
import type { HttpExchange } from "../http/http-exchange.ts";
import type { HttpServices } from "../http/routes.ts";
import { type EdgeLimits, PAYLOAD_FACTOR } from "../limits.ts";
import type { SessionEntry } from "../session/sessions.ts";
import { CorkAnchor } from "./cork-anchor.ts";
import { LibraryExchange } from "./library-exchange.ts";

export interface ServerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly limits: EdgeLimits;
  /** Whether permessage-deflate (RFC 7692) is given to who offers it. */
  readonly isCompressing: boolean;
  readonly logger: Logger;
  readonly admission: Admission;
  /** False answers newcomers with 503. */
  readonly isReady: () => boolean;
  /** False: not ready for the probes, though who is connected is served. */
  readonly hasRoom: () => boolean;
  /** Partitions whose records do not come, though the log has them. */
  readonly stalled: () => readonly number[];
  /** What requests are answered with; asked for only when it is ready. */
  readonly services: () => HttpServices;
  readonly open: (socket: Socket, identity: Identity, entry: SessionEntry) => SocketListener;
  /** What each request to connect was answered with; 101 is a connection. */
  readonly onHandshake?: (status: number) => void;
}

export interface Server {
  readonly port: number;
  /** What the probe of readiness says. */
  readonly isReady: boolean;
  /** Who is connected stays; new ones are told to go elsewhere, and so are calls over HTTP where the edge ends. */
  refuseNewcomers(wish: { readonly alsoCalls: boolean }): void;
  acceptNewcomers(): void;
  /** Whether connections are accepted at all; false: it could not listen again. */
  listen(isListening: boolean): boolean;
  close(): void;
}

interface Admitted {
  readonly identity: Identity;
  readonly entry: SessionEntry;
  readonly leave: () => void;
  socket?: UwsSocket;
  listener?: SocketListener;
}

type ListenTo = (
  host: string,
  port: number,
  options: number,
  done: (token: uWS.us_listen_socket | false) => void,
) => uWS.TemplatedApp;

/** Without it two edges would share a port in silence, each with half of the clients. */
const EXCLUSIVE_PORT = 1;

const PATH = "/v1/connect";

/** What is shorter hardly shrinks. */
const COMPRESS_LENGTH_MIN = 128;

const BACKPRESSURE_MAX = 1_048_576;

/**
 * Lines are watched by the edge's own heartbeats. This stands behind them: it frees the socket of a
 * peer that is gone and never answers the close frame, and is longer than any patience of theirs.
 */
const IDLE_S = 640;

const SEND_OUTCOMES: Readonly<Record<number, SendOutcome>> = {
  0: "buffered",
  1: "sent",
  2: "dropped",
};

/**
 * WebSocket and HTTP for clients; the only file that knows uWebSockets.js. Its rules are kept here:
 * a request is read before anything is awaited, a response is left alone once it was aborted, a
 * socket once it is closed, and a message is copied before its memory is taken back.
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  let isRefusing = false;
  let isRefusingCalls = false;
  const isOpen = (): boolean => !isRefusing && options.isReady();
  const app = uWS.App();
  const anchor = new CorkAnchor();
  const upgrade = upgradeOf(options, isOpen, anchor);
  app.ws<Admitted>("/*", { ...behaviorOf(options), upgrade });
  app.get(anchor.path, (response) => anchor.take(response));
  // Who calls over HTTP has nowhere to be moved from: balancers go on sending such calls here.
  const isServing = (): boolean => !isRefusingCalls && options.isReady();
  const api = new HttpApi({ ...options, isOpen, isServing });
  app.any("/*", (response, request) => api.handle(new LibraryExchange(response, request)));
  let token: uWS.us_listen_socket | undefined = listen(app, options);
  if (token === undefined) {
    const { host, port } = options;
    throw new Error(`can't listen on ${host}:${port}; is the port taken?`);
  }
  const port = uWS.us_socket_local_port(token);
  await anchor.hold({ host: options.host, port });
  return {
    port,
    get isReady() {
      return isOpen() && options.hasRoom();
    },
    refuseNewcomers: ({ alsoCalls }) => {
      isRefusing = true;
      isRefusingCalls = alsoCalls;
    },
    acceptNewcomers: () => {
      isRefusing = false;
      isRefusingCalls = false;
    },
    listen: (isListening) => {
      if (isListening) token ??= listen(app, { ...options, port });
      else if (token !== undefined) {
        uWS.us_listen_socket_close(token);
        token = undefined;
      }
      return isListening === (token !== undefined);
    },
    close: () => {
      anchor.close();
      app.close();
    },
  };
}

/** The library answers at once. Undefined: the port is taken, or nothing is left to listen with. */
function listen(
  app: uWS.TemplatedApp,
  { host, port }: Pick<ServerOptions, "host" | "port">,
): uWS.us_listen_socket | undefined {
  // The library takes options behind a host, too, though its types don't say so.
  const listenTo = app.listen.bind(app) as unknown as ListenTo;
  const answer: { token?: uWS.us_listen_socket | false } = {};
  listenTo(host, port, EXCLUSIVE_PORT, (token) => {
    answer.token = token;
  });
  return answer.token || undefined;
}

function behaviorOf(options: ServerOptions): uWS.WebSocketBehavior<Admitted> {
  const { limits } = options;
  assert(IDLE_S * 1_000 > limits.laggingPatienceMs, "the heartbeats decide first");
  return {
    // One window for all sockets: a window of its own would cost each of them tens of kilobytes. What
    // is inflated is bounded by the payload's limit, as what comes as it is.
    compression: options.isCompressing
      ? uWS.SHARED_COMPRESSOR | uWS.SHARED_DECOMPRESSOR
      : uWS.DISABLED,
    // A frame beyond ours is told so with 1009; one beyond this is not even collected.
    maxPayloadLength: limits.announced.frameBytes * PAYLOAD_FACTOR,
    maxBackpressure: BACKPRESSURE_MAX,
    idleTimeout: IDLE_S,
    sendPingsAutomatically: false,
    open: (ws) => {
      const data = ws.getUserData();
      data.socket = new UwsSocket(ws, options.isCompressing);
      data.listener = options.open(data.socket, data.identity, data.entry);
    },
    message: (ws, message, isBinary) => {
      const { socket, listener } = ws.getUserData();
      if (socket === undefined || socket.isClosed) return;
      if (isBinary) socket.close(4400);
      else if (message.byteLength > limits.announced.frameBytes) socket.close(1009);
      else listener?.onText(Buffer.from(message).toString());
    },
    ping: (ws) => ws.getUserData().listener?.onSign(),
    pong: (ws) => ws.getUserData().listener?.onPong(),
    drain: (ws) => ws.getUserData().listener?.onDrain(),
    close: (ws, code) => {
      const { socket, listener, leave } = ws.getUserData();
      socket?.closed();
      leave();
      // Never inside another call of the listener, from which the close may have come.
      queueMicrotask(() => listener?.onClose(code));
    },
  };
}

/** The library wants a function: one for all, and whose turn it is stands here while it is called. */
const corked: { current: Writer | undefined } = { current: undefined };

function writeCorked(): void {
  corked.current?.write();
}

class UwsSocket implements Socket {
  readonly #isCompressing: boolean;
  #ws: uWS.WebSocket<Admitted> | undefined;

  constructor(ws: uWS.WebSocket<Admitted>, isCompressing: boolean) {
    this.#ws = ws;
    this.#isCompressing = isCompressing;
  }

  get isClosed(): boolean {
    return this.#ws === undefined;
  }

  closed(): void {
    this.#ws = undefined;
  }

  send(frame: Uint8Array | string): SendOutcome {
    const isLong = this.#isCompressing && frame.length >= COMPRESS_LENGTH_MIN;
    const outcome = this.#ws?.send(frame, false, isLong);
    return (outcome === undefined ? undefined : SEND_OUTCOMES[outcome]) ?? "dropped";
  }

  bufferedBytes(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  ping(): void {
    this.#ws?.ping();
  }

  cork(writer: Writer): void {
    const { current } = corked;
    corked.current = writer;
    this.#ws?.cork(writeCorked);
    corked.current = current;
  }

  close(code: CloseCode): void {
    this.#ws?.end(code, CLOSES[code].name);
  }

  terminate(): void {
    this.#ws?.close();
  }
}

type Upgrade = NonNullable<uWS.WebSocketBehavior<Admitted>["upgrade"]>;

function upgradeOf(options: ServerOptions, isOpen: () => boolean, anchor: CorkAnchor): Upgrade {
  return (response, request, context) => {
    const exchange = new LibraryExchange(response, request);
    const refuse = (refusal: Refusal): void => {
      options.onHandshake?.(refusal.status);
      refuseWith(exchange, refusal);
    };
    if (exchange.path !== PATH) {
      return refuse({ status: 404, message: `clients connect to ${PATH}` });
    }
    if (!isOpen()) return refuse(NOT_READY);
    const key = request.getHeader("sec-websocket-key");
    const extensions = request.getHeader("sec-websocket-extensions");
    void decide(options, exchange).then((decision) => {
      if (decision.kind === "refused") return refuse(decision.refusal);
      const { identity, leave } = decision;
      if (!isOpen()) {
        leave();
        return refuse(NOT_READY);
      }
      options.onHandshake?.(101);
      const entry = must(decision.entry, "an upgrade gets a session");
      const data: Admitted = { identity, entry, leave };
      const isThere = exchange.handOver(() => {
        anchor.cork(() => {
          response.upgrade<Admitted>(data, key, SUBPROTOCOL, extensions, context);
        });
      });
      // The peer may vanish while it is being checked.
      if (!isThere) leave();
    });
  };
}

/** Never rejects. */
async function decide(
  { admission, logger }: ServerOptions,
  { address, query, headers }: HttpExchange,
): Promise<Decision> {
  try {
    return await admission.decide({ address, query, headers, isUpgrade: true });
  } catch (cause) {
    logger.error({ err: cause }, "a handshake could not be decided");
    return { kind: "refused", refusal: NOT_READY };
  }
}

/** Whoever wanted a WebSocket and gets none has no use for the connection; its descriptor is free. */
function refuseWith(exchange: HttpExchange, refusal: Refusal): void {
  exchange.respond({ ...refusalAnswer(refusal), isLast: true });
}
