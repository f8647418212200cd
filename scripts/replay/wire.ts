import { WebSocket } from "ws";
import { signToken } from "../token.mjs";

/** A frame of the server. */
export interface Down {
  readonly t: string;
  readonly id?: number;
  readonly c?: string;
  readonly pos?: string;
  readonly prev?: string;
  readonly after?: string;
  readonly from?: string;
  readonly key?: string;
  readonly body?: string;
  readonly ts?: number;
  readonly code?: string;
  readonly retryMs?: number;
  readonly reason?: string;
  readonly afterMs?: number;
  readonly limits?: { readonly publishPerSec: number; readonly publishBurst: number };
}

/** A token for that user; by default of the development issuer, with all rights. */
export type TokenFor = (user: string) => Promise<string>;

const developmentToken: TokenFor = (user) =>
  Promise.resolve(signToken({ user, read: ["*"], write: ["*"] }));

export interface WireListener {
  /** The line is up, and the server has spoken. */
  onOpen(welcome: Down): void;
  onFrame(frame: Down): void;
  /** The line is gone; another attempt follows by itself. */
  onLost(): void;
}

const BACKOFF_MS_MIN = 200;
const BACKOFF_MS_MAX = 5_000;

/** A frozen edge takes connections and says nothing. */
const HANDSHAKE_MS = 10_000;

/**
 * One client's line, by the protocol's page alone: whenever it is lost it is made anew, after a
 * random delay, to any of the edges.
 */
export class Wire {
  readonly #edges: readonly string[];
  readonly #user: string;
  readonly #listener: WireListener;
  readonly #random: () => number;
  readonly #tokenFor: TokenFor;
  #socket: WebSocket | undefined;
  #isUp = false;
  #isEnded = false;
  #attempts = 0;

  constructor(options: {
    readonly edges: readonly string[];
    readonly user: string;
    readonly listener: WireListener;
    readonly random: () => number;
    readonly tokenFor?: TokenFor;
  }) {
    this.#edges = options.edges;
    this.#user = options.user;
    this.#listener = options.listener;
    this.#random = options.random;
    this.#tokenFor = options.tokenFor ?? developmentToken;
    void this.#connect();
  }

  send(frames: readonly object[]): void {
    if (this.#isUp && frames.length > 0) this.#socket?.send(JSON.stringify(frames));
  }

  /** As a network that goes away. */
  drop(): void {
    this.#socket?.terminate();
  }

  /** Reads nothing, so that the buffers on the way fill; a new line reads again. */
  pause(): void {
    if (this.#isUp) this.#socket?.pause();
  }

  resume(): void {
    if (this.#isUp) this.#socket?.resume();
  }

  end(): void {
    this.#isEnded = true;
    this.#socket?.terminate();
  }

  async #connect(): Promise<void> {
    const token = await this.#tokenFor(this.#user);
    if (this.#isEnded) return;
    const edge = this.#edges[Math.floor(this.#random() * this.#edges.length)] ?? "";
    const headers = { authorization: `Bearer ${token}` };
    const options = { headers, perMessageDeflate: false, handshakeTimeout: HANDSHAKE_MS };
    const socket = new WebSocket(edge, ["millrace.v1.json"], options);
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.on("message", (data: Buffer) => this.#take(data.toString()));
    socket.on("close", () => this.#lost());
  }

  #take(text: string): void {
    const parsed = JSON.parse(text) as Down | Down[];
    for (const frame of Array.isArray(parsed) ? parsed : [parsed]) {
      if (frame.t === "welcome") {
        this.#isUp = true;
        this.#attempts = 0;
        this.#listener.onOpen(frame);
      } else if (frame.t === "goaway") setTimeout(() => this.drop(), frame.afterMs ?? 0);
      else this.#listener.onFrame(frame);
    }
  }

  #lost(): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    if (wasUp) this.#listener.onLost();
    const mostMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** this.#attempts++);
    setTimeout(() => void this.#connect(), this.#random() * mostMs);
  }
}
