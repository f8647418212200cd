import { type Logger, assert } from "@millrace/runtime";
import { CLOSES, type CloseCode, REFUSALS, SUBPROTOCOL } from "@millrace/schemas";
import uWS from "uWebSockets.js";
import type { Admission, ConnectRequest, Decision } from "../admission/admission.ts";
import type { Identity } from "../admission/identity.ts";
import type { Refusal } from "../admission/refusal.ts";
import type { SendOutcome, Socket, SocketListener } from "../connection/socket.ts";
import type { EdgeLimits } from "../limits.ts";

export interface ServerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly limits: EdgeLimits;
  readonly logger: Logger;
  readonly admission: Admission;
  /** False answers newcomers with 503. */
  readonly isReady: () => boolean;
  readonly open: (socket: Socket, identity: Identity) => SocketListener;
}

export interface Server {
  readonly port: number;
  /** Who is connected stays; new ones are told to go elsewhere. */
  refuseNewcomers(): void;
  close(): void;
}

interface Admitted {
  readonly identity: Identity;
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

/** A frame beyond ours is told so with 1009; one beyond this is not even collected. */
const PAYLOAD_FACTOR = 4;
const BACKPRESSURE_MAX = 1_048_576;
const RETRY_AFTER_S = 2;

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
  const isOpen = (): boolean => !isRefusing && options.isReady();
  const app = uWS.App();
  app.ws<Admitted>("/*", { ...behaviorOf(options), upgrade: upgradeOf(options, isOpen) });
  app.get(PATH, (response, request) => answerWithoutUpgrade(options, isOpen, response, request));
  app.get("/healthz", (response) => answer(response, "200 OK", { status: "alive" }));
  app.get("/readyz", (response) => {
    if (isOpen()) answer(response, "200 OK", { status: "ready" });
    else refuseWith(response, notReady());
  });
  app.any("/*", (response) => {
    refuseWith(response, { status: 404, message: `clients connect to ${PATH}` });
  });
  const token = await listen(app, options);
  return {
    port: uWS.us_socket_local_port(token),
    refuseNewcomers: () => {
      isRefusing = true;
    },
    close: () => void app.close(),
  };
}

function listen(app: uWS.TemplatedApp, options: ServerOptions): Promise<uWS.us_listen_socket> {
  const { host, port } = options;
  return new Promise((resolve, reject) => {
    // The library takes options behind a host, too, though its types don't say so.
    const listenTo = app.listen.bind(app) as unknown as ListenTo;
    listenTo(host, port, EXCLUSIVE_PORT, (token) => {
      if (token === false) reject(new Error(`can't listen on ${host}:${port}; is the port taken?`));
      else resolve(token);
    });
  });
}

function behaviorOf(options: ServerOptions): uWS.WebSocketBehavior<Admitted> {
  const { limits } = options;
  assert(IDLE_S * 1_000 > limits.laggingPatienceMs, "the heartbeats decide first");
  return {
    compression: uWS.DISABLED,
    maxPayloadLength: limits.announced.frameBytes * PAYLOAD_FACTOR,
    maxBackpressure: BACKPRESSURE_MAX,
    idleTimeout: IDLE_S,
    sendPingsAutomatically: false,
    open: (ws) => {
      const data = ws.getUserData();
      data.socket = new UwsSocket(ws);
      data.listener = options.open(data.socket, data.identity);
    },
    message: (ws, message, isBinary) => {
      const { socket, listener } = ws.getUserData();
      if (socket === undefined || socket.isClosed) return;
      if (isBinary) socket.close(4400);
      else if (message.byteLength > limits.announced.frameBytes) socket.close(1009);
      else listener?.onText(Buffer.from(message).toString());
    },
    ping: (ws) => ws.getUserData().listener?.onSign(),
    pong: (ws) => ws.getUserData().listener?.onSign(),
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

class UwsSocket implements Socket {
  readonly address: string;
  #ws: uWS.WebSocket<Admitted> | undefined;

  constructor(ws: uWS.WebSocket<Admitted>) {
    this.#ws = ws;
    this.address = textOf(ws.getRemoteAddressAsText());
  }

  get isClosed(): boolean {
    return this.#ws === undefined;
  }

  closed(): void {
    this.#ws = undefined;
  }

  send(frame: Uint8Array | string): SendOutcome {
    const outcome = this.#ws?.send(frame, false, false);
    return (outcome === undefined ? undefined : SEND_OUTCOMES[outcome]) ?? "dropped";
  }

  bufferedBytes(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  ping(): void {
    this.#ws?.ping();
  }

  cork(write: () => void): void {
    this.#ws?.cork(write);
  }

  close(code: CloseCode): void {
    this.#ws?.end(code, CLOSES[code].name);
  }

  terminate(): void {
    this.#ws?.close();
  }
}

type Upgrade = NonNullable<uWS.WebSocketBehavior<Admitted>["upgrade"]>;

function upgradeOf(options: ServerOptions, isOpen: () => boolean): Upgrade {
  return (response, request, context) => {
    if (request.getUrl() !== PATH) {
      return refuseWith(response, { status: 404, message: `clients connect to ${PATH}` });
    }
    if (!isOpen()) return refuseWith(response, notReady());
    const key = request.getHeader("sec-websocket-key");
    const extensions = request.getHeader("sec-websocket-extensions");
    void whenDecided(options, { response, request, isUpgrade: true }, (decision) => {
      if (!isOpen()) {
        decision.leave();
        return refuseWith(response, notReady());
      }
      const { identity, leave } = decision;
      response.upgrade<Admitted>({ identity, leave }, key, SUBPROTOCOL, extensions, context);
    });
  };
}

/** The status that an upgrade would get, for browsers, which can't see it there. */
function answerWithoutUpgrade(
  options: ServerOptions,
  isOpen: () => boolean,
  response: uWS.HttpResponse,
  request: uWS.HttpRequest,
): void {
  if (!isOpen()) return refuseWith(response, notReady());
  void whenDecided(options, { response, request, isUpgrade: false }, ({ leave }) => {
    leave();
    response.writeStatus("204 No Content").endWithoutBody();
  });
}

/** The peer may vanish while it is being checked: then nothing of the response is touched. */
async function whenDecided(
  { admission, logger }: ServerOptions,
  exchange: {
    readonly response: uWS.HttpResponse;
    readonly request: uWS.HttpRequest;
    readonly isUpgrade: boolean;
  },
  admitted: (decision: Extract<Decision, { kind: "admitted" }>) => void,
): Promise<void> {
  const { response } = exchange;
  let isAborted = false;
  response.onAborted(() => {
    isAborted = true;
  });
  let decision: Decision;
  try {
    decision = await admission.decide(requestOf(exchange));
  } catch (cause) {
    logger.error({ err: cause }, "a handshake could not be decided");
    decision = { kind: "refused", refusal: notReady() };
  }
  if (isAborted) {
    if (decision.kind === "admitted") decision.leave();
    return;
  }
  const decided = decision;
  response.cork(() => {
    if (decided.kind === "refused") refuseWith(response, decided.refusal);
    else admitted(decided);
  });
}

function requestOf(exchange: {
  readonly response: uWS.HttpResponse;
  readonly request: uWS.HttpRequest;
  readonly isUpgrade: boolean;
}): ConnectRequest {
  const { response, request, isUpgrade } = exchange;
  const headers = new Map<string, string[]>();
  request.forEach((name, value) => {
    const values = headers.get(name);
    if (values === undefined) headers.set(name, [value]);
    else values.push(value);
  });
  const address = textOf(response.getRemoteAddressAsText());
  return { isUpgrade, address, query: request.getQuery() ?? "", headers };
}

function notReady(): Refusal {
  const message = "not ready or draining: try another address";
  return { status: 503, message, retryAfterS: RETRY_AFTER_S };
}

function refuseWith(response: uWS.HttpResponse, refusal: Refusal): void {
  const { status, message, challenge, retryAfterS } = refusal;
  const { name } = REFUSALS[status];
  response.writeStatus(`${status} ${name}`);
  if (challenge !== undefined) response.writeHeader("WWW-Authenticate", challenge);
  if (retryAfterS !== undefined) response.writeHeader("Retry-After", String(retryAfterS));
  response.writeHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ error: name, message }));
}

function answer(response: uWS.HttpResponse, status: string, body: object): void {
  response.writeStatus(status).writeHeader("Content-Type", "application/json");
  response.end(JSON.stringify(body));
}

function textOf(bytes: ArrayBuffer): string {
  return Buffer.from(bytes).toString();
}
