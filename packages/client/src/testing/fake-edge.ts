import type { DownFrame } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { type Client, type ConnectOptions, connect } from "../client.ts";
import type { Environment, SocketEvent, SocketEventType, SocketLike } from "../environment.ts";

/** A frame of the client, as it left. */
export interface Up {
  readonly t: string;
  readonly id?: number;
  readonly c?: string;
  readonly key?: string;
  readonly behind?: number;
  readonly body?: string;
  readonly token?: string;
  readonly pos?: string;
  readonly from?: unknown;
}

export const LIMITS = {
  frameBytes: 4_096,
  bodyBytes: 1_024,
  metaBytes: 128,
  subscriptions: 500,
  publishPerSec: 50,
  publishBurst: 100,
  publishesInFlight: 4,
  framesPerSec: 200,
  dedupMs: 3_600_000,
};

export const PING_MS = 25_000;

/** The other end of one socket, in the hands of the test. */
export class FakeSocket implements SocketLike {
  readonly url: URL;
  readonly protocols: readonly string[];
  readonly #listeners = new Map<SocketEventType, ((event: SocketEvent) => void)[]>();
  /** Every text message of the client. */
  readonly messages: string[] = [];
  closedByClient: number | undefined;
  /** Hears each text message of the client, too. */
  onMessage: ((text: string) => void) | undefined;

  constructor(url: string, protocols: readonly string[]) {
    this.url = new URL(url);
    this.protocols = protocols;
  }

  addEventListener(type: SocketEventType, listener: (event: SocketEvent) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  send(text: string): void {
    this.messages.push(text);
    this.onMessage?.(text);
  }

  close(code = 1005): void {
    this.closedByClient ??= code;
  }

  get token(): string {
    return this.protocols[1]?.replace("bearer.", "") ?? "";
  }

  get frames(): Up[] {
    return this.messages.flatMap((text) => JSON.parse(text) as Up | Up[]);
  }

  framesOf(t: string): Up[] {
    return this.frames.filter((frame) => frame.t === t);
  }

  welcome(fields: { readonly session?: string } = {}): void {
    this.deliver({
      t: "welcome",
      session: "s_1",
      conn: "c_1",
      user: "alice",
      edge: "edge-1",
      resumed: false,
      features: [],
      pingMs: PING_MS,
      serverTime: 0,
      tokenExpiresInMs: 3_600_000,
      limits: LIMITS,
      ...fields,
    });
  }

  deliver(...frames: readonly DownFrame[]): void {
    this.text(JSON.stringify(frames.length === 1 ? frames[0] : frames));
  }

  text(data: string): void {
    this.#emit("message", { data });
  }

  /** The close event, as the platform gives it. */
  end(code: number): void {
    this.#emit("close", { code });
  }

  #emit(type: SocketEventType, event: SocketEvent): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }
}

/** A network in which the test plays all edges; time stands still unless it is moved on. */
export class FakeEdge {
  readonly clock = new FakeClock();
  readonly sockets: FakeSocket[] = [];
  readonly states: string[] = [];
  /** What an upgrade is refused with, as a plain request learns it; undefined: nobody answers. */
  refusal: { readonly status: number; readonly retryAfter?: string } | undefined;
  /** Where the client asked why it was not let in. */
  readonly asked: URL[] = [];
  /** Of each chance; the middle unless told otherwise. */
  chance = 0.5;
  readonly environment: Environment;
  /** Hears of each socket that is opened. */
  onOpen: ((socket: FakeSocket) => void) | undefined;
  #client: Client | undefined;

  constructor() {
    const { sockets } = this;
    const open = (socket: FakeSocket): void => {
      sockets.push(socket);
      this.onOpen?.(socket);
    };
    this.environment = {
      clock: this.clock,
      random: () => this.chance,
      fetch: (url) => this.#answer(url),
      webSocket: class extends FakeSocket {
        constructor(url: string, protocols: string[]) {
          super(url, protocols);
          open(this);
        }
      },
    };
  }

  /** The newest socket. */
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("nobody has connected yet");
    return socket;
  }

  async connect(options: Partial<ConnectOptions> = {}): Promise<Client> {
    this.#client = connect({
      url: "ws://127.0.0.1:1/v1/connect",
      token: () => "token",
      environment: this.environment,
      onState: (state) => this.states.push(state.kind),
      ...options,
    });
    await this.clock.settle();
    return this.#client;
  }

  /** Connected, and spoken to. */
  async ready(options: Partial<ConnectOptions> = {}): Promise<Client> {
    const client = await this.connect(options);
    this.socket.welcome();
    await this.clock.settle();
    return client;
  }

  /** The line breaks, and the client comes back. */
  async cut(): Promise<void> {
    this.socket.end(1006);
    await this.comeBack();
  }

  async comeBack(): Promise<void> {
    const before = this.sockets.length;
    while (this.sockets.length === before) await this.clock.advance(100);
    this.socket.welcome();
    await this.clock.settle();
  }

  #answer(url: string): Promise<Response> {
    this.asked.push(new URL(url));
    if (this.refusal === undefined) return Promise.reject(new TypeError("fetch failed"));
    const { status, retryAfter } = this.refusal;
    const headers = retryAfter === undefined ? {} : { "retry-after": retryAfter };
    const body = status === 204 ? null : JSON.stringify({ error: "refused", message: "no" });
    return Promise.resolve(new Response(body, { status, headers }));
  }
}
