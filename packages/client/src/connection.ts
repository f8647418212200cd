import {
  BEARER_SUBPROTOCOL_PREFIX,
  type DownFrame,
  SUBPROTOCOL,
  type WelcomeFrame,
} from "@millrace/schemas";
import type { CancellableTimer, Environment, SocketEvent, SocketLike } from "./environment.ts";

/** How a connection came to its end. */
export type Ending =
  | { readonly kind: "closed"; readonly code: number; readonly wasReady: boolean }
  /** The other side says nothing any more, or nothing of the protocol. */
  | { readonly kind: "broken" };

export interface ConnectionListener {
  /** The server has spoken. Nothing is sent before. */
  onReady(connection: Connection, welcome: WelcomeFrame): void;
  onFrame(connection: Connection, frame: DownFrame): void;
  /** Once, whatever happened. */
  onEnd(connection: Connection, ending: Ending): void;
}

export interface ConnectionOptions {
  readonly environment: Environment;
  readonly url: string;
  readonly token: string;
  /** For the handshake and the welcome. */
  readonly openingMs: number;
  readonly listener: ConnectionListener;
}

/** A timer that is later than this was held back by the page or the machine, not by the server. */
const TIMER_LATE_MS = 2_000;
/** The code of a line that broke without a close frame (RFC 6455 §7.1.5). */
const CLOSED_WITHOUT_CODE = 1006;

/**
 * One WebSocket from its opening to its end.
 *
 * Browsers hide the server's pings, so silence is found by frames: after `pingMs` without one a
 * `ping` goes out, and without an answer for as long again the line counts as dead, without waiting
 * for the close event (which can take many minutes). A page that was frozen finds its timers late
 * and the answers still in its queue: a late timer never decides, it asks again.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #socket: SocketLike;
  #timer: CancellableTimer;
  #pingMs: number | undefined;
  #heardAtMs = 0;
  #isEnded = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { environment, url, token, openingMs } = options;
    const protocols = [SUBPROTOCOL, `${BEARER_SUBPROTOCOL_PREFIX}${token}`];
    this.#socket = new environment.webSocket(url, protocols);
    this.#timer = environment.clock.after(openingMs, () => this.#end({ kind: "broken" }));
    this.#socket.addEventListener("message", (event) => this.#take(event));
    // The close event follows an error, and says more.
    this.#socket.addEventListener("error", () => undefined);
    this.#socket.addEventListener("close", ({ code = CLOSED_WITHOUT_CODE }) =>
      this.#end({ kind: "closed", code, wasReady: this.#pingMs !== undefined }),
    );
  }

  send(text: string): void {
    if (!this.#isEnded) this.#socket.send(text);
  }

  /** By the application's will: no listener hears of it. */
  close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#timer.cancel();
    this.#socket.close(1000);
  }

  #take({ data }: SocketEvent): void {
    if (this.#isEnded) return;
    this.#heardAtMs = this.#options.environment.clock.nowMs();
    const frames = framesOf(data);
    // What is not of the protocol comes from something in between that is no edge.
    if (frames === undefined) return this.#end({ kind: "broken" });
    for (const frame of frames) {
      if (this.#isEnded) return;
      if (frame.t === "welcome") this.#open(frame);
      else if (this.#pingMs !== undefined) this.#options.listener.onFrame(this, frame);
    }
  }

  #open(welcome: WelcomeFrame): void {
    if (this.#pingMs !== undefined) return;
    this.#pingMs = welcome.pingMs;
    this.#timer.cancel();
    this.#listen(welcome.pingMs);
    this.#options.listener.onReady(this, welcome);
  }

  #listen(pingMs: number): void {
    const { clock } = this.#options.environment;
    const quietMs = clock.nowMs() - this.#heardAtMs;
    this.#timer = clock.after(Math.max(0, pingMs - quietMs), () => {
      if (clock.nowMs() - this.#heardAtMs < pingMs) this.#listen(pingMs);
      else this.#probe(pingMs);
    });
  }

  #probe(pingMs: number): void {
    const { clock } = this.#options.environment;
    const askedAtMs = clock.nowMs();
    this.send('{"t":"ping"}');
    this.#timer = clock.after(pingMs, () => {
      if (this.#heardAtMs >= askedAtMs) return this.#listen(pingMs);
      const isLate = clock.nowMs() - askedAtMs > pingMs + TIMER_LATE_MS;
      if (isLate) this.#probe(pingMs);
      else this.#end({ kind: "broken" });
    });
  }

  #end(ending: Ending): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#timer.cancel();
    if (ending.kind === "broken") this.#socket.close(1000);
    this.#options.listener.onEnd(this, ending);
  }
}

function framesOf(data: unknown): readonly DownFrame[] | undefined {
  if (typeof data !== "string") return undefined;
  try {
    const json = JSON.parse(data) as DownFrame | DownFrame[] | null;
    if (typeof json !== "object" || json === null) return undefined;
    return Array.isArray(json) ? json : [json];
  } catch {
    // Not JSON: the caller ends the connection for it.
    return undefined;
  }
}
