import {
  type Client,
  type Environment,
  type Message,
  type Subscription,
  connect,
} from "@millrace/client/node";
import type { Acknowledged, Told } from "@millrace/testkit/judge";
import { WebSocket } from "ws";
import { Balancer, type Place } from "./balancer.ts";

export interface RoamerOptions {
  readonly user: string;
  readonly conversation: string;
  /** Where it connects: wherever a balancer says, or to these in turn, from the first one on. */
  readonly edges: Balancer | readonly string[];
  readonly token: () => Promise<string>;
  /** So long a publish is tried; as the SDK has it, where it is not given. */
  readonly publishTimeoutMs?: number;
  /** PEM of who has signed the certificate of what stands before the edges. */
  readonly ca?: string;
  readonly watch: RoamerWatch;
}

/** What is seen of a crowd on its lines, all by this process's clock. */
export interface RoamerWatch {
  /** An edge told a client to go, at that place and after so long. */
  goaway(place: Place, afterMs: number): void;
  /** A client was welcomed; `isAgain`: not for the first time. */
  opened(isAgain: boolean): void;
  refused(status: number, retryAfterS: number): void;
  /** A message has come, so long after the broker had it. */
  delivered(delayMs: number): void;
}

/** The balancer takes its place; nothing is ever sent there. */
const ANY_EDGE = "ws://any-edge.test/v1/connect";

/**
 * An ordinary client of the SDK on real sockets, which connects wherever the balancer says, follows one
 * conversation and keeps what the application was told.
 */
export class Roamer {
  readonly user: string;
  readonly conversation: string;
  readonly client: Client;
  readonly told: Told[] = [];
  readonly acknowledged: Acknowledged[] = [];
  readonly failures: unknown[] = [];
  /** How often it was welcomed. */
  welcomes = 0;
  pending = 0;
  readonly #options: RoamerOptions;
  readonly #subscription: Subscription;
  #place: Place | undefined;
  #said = 0;

  constructor(options: RoamerOptions) {
    const { user, conversation, edges, token, publishTimeoutMs, ca, watch } = options;
    this.user = user;
    this.conversation = conversation;
    this.#options = options;
    this.client = connect({
      url: edges instanceof Balancer ? ANY_EDGE : edges,
      token,
      ...(publishTimeoutMs !== undefined && { publishTimeoutMs }),
      ...(ca !== undefined && { ca }),
      environment: {
        // Chance would choose the first one otherwise.
        ...(!(edges instanceof Balancer) && { random: () => 0 }),
        webSocket: this.#sockets(),
        ...(edges instanceof Balancer && { fetch: (url, init) => this.#ask(url, init) }),
      },
      onState: ({ kind }) => {
        if (kind === "ready") watch.opened(this.welcomes++ > 0);
      },
    });
    this.#subscription = this.client.subscribe(conversation, {
      onMessage: (message, subscription) => this.#take(message, subscription),
      onGap: (gap) => this.told.push({ t: "gap", c: conversation, ...gap }),
      onLive: (subscription) => this.#begin(subscription),
      onError: (error) => this.failures.push(error),
    });
  }

  get isLive(): boolean {
    return this.#subscription.isLive;
  }

  /** The last that the application was told of its conversation. */
  get position(): string {
    return this.told.at(-1)?.pos ?? "";
  }

  say(): void {
    const { user: from, conversation: c } = this;
    const key = String(this.#said++);
    this.pending += 1;
    const published = this.client.publish(c, `${from} says ${key}`, { key });
    const done = published.then(({ pos }) => this.acknowledged.push({ c, from, key, pos }));
    void done.catch((error: unknown) => this.failures.push(error)).finally(() => this.pending--);
  }

  #begin({ position }: Subscription): void {
    if (this.told.length > 0 || position === undefined) return;
    this.told.push({ t: "subd", c: this.conversation, pos: position });
  }

  #take(message: Message, subscription: Subscription): void {
    this.#begin(subscription);
    this.#options.watch.delivered(Date.now() - message.ts);
    this.told.push({ ...message, t: "msg", prev: this.position });
  }

  #sockets(): Environment["webSocket"] {
    const open = this.#open.bind(this);
    // What `new` makes of a function that answers with an object is that object.
    function socket(url: string, protocols: string[]): WebSocket {
      return open(url, protocols);
    }
    return socket as unknown as Environment["webSocket"];
  }

  #open(url: string, protocols: string[]): WebSocket {
    const { edges, ca, watch } = this.#options;
    const { search } = new URL(url);
    const isBalanced = edges instanceof Balancer;
    const place = isBalanced ? edges.enter() : { ws: url.replace(search, ""), open: 1 };
    this.#place = place;
    const how = { perMessageDeflate: false, ...(ca !== undefined && { ca }) };
    const socket = new WebSocket(`${place.ws}${search}`, protocols, how);
    socket.on("close", () => {
      if (isBalanced) edges.leave(place);
    });
    socket.on("unexpected-response", (_, { statusCode = 0, headers }) => {
      watch.refused(statusCode, Number(headers["retry-after"] ?? Number.NaN));
      socket.terminate();
    });
    socket.on("message", (data: Buffer) => {
      if (!data.includes('"t":"goaway"')) return;
      const parsed = JSON.parse(data.toString()) as Goaway | Goaway[];
      for (const { t, afterMs = 0 } of Array.isArray(parsed) ? parsed : [parsed]) {
        if (t === "goaway") watch.goaway(place, afterMs);
      }
    });
    return socket;
  }

  /** The SDK asks why it was not let in. */
  #ask(url: string, init: RequestInit): Promise<Response> {
    const there = `${this.#place?.ws ?? ""}${new URL(url).search}`.replace(/^ws/, "http");
    return fetch(there, init);
  }
}

interface Goaway {
  readonly t: string;
  readonly afterMs?: number;
}
