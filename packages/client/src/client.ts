import { type DownFrame, parseConversation } from "@millrace/schemas";
import { Acknowledger } from "./acknowledger.ts";
import { type Environment, environmentWith } from "./environment.ts";
import { MillraceError } from "./errors.ts";
import { type ClientState, Link, isTooLarge } from "./link.ts";
import { type PublishOptions, type Published, Publisher } from "./publisher.ts";
import { type SubscribeOptions, Subscription } from "./subscription.ts";
import { TokenRenewal } from "./token-renewal.ts";
import { Wire } from "./wire.ts";

export interface ConnectOptions {
  /** One edge, or several of which any will do: `wss://chat.example/v1/connect`. */
  readonly url: string | readonly string[];
  /** Asked for before every attempt to connect, and before the token in use ends. */
  readonly token: () => string | Promise<string>;
  /** 1–64 of `[A-Za-z0-9._-]`: what this device has acknowledged is kept under this name. */
  readonly device?: string;
  readonly onState?: (state: ClientState) => void;
  /** How long a publish may take before its caller hears `timed-out`. Default 60,000. */
  readonly publishTimeoutMs?: number;
  /** Default: the platform's own. */
  readonly environment?: Partial<Environment>;
}

const PUBLISH_TIMEOUT_MS = 60_000;

/** Opens a connection that keeps itself alive until `close`. Throws a TypeError for a bad URL. */
export function connect(options: ConnectOptions): Client {
  return new Client(options);
}

export class Client {
  readonly #environment: Environment;
  readonly #wire: Wire;
  readonly #link: Link;
  readonly #publisher: Publisher;
  readonly #acknowledger: Acknowledger;
  readonly #renewal: TokenRenewal;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #onState: ((state: ClientState) => void) | undefined;
  #state: ClientState = { kind: "connecting" };

  constructor(options: ConnectOptions) {
    const urls = typeof options.url === "string" ? [options.url] : options.url;
    checkUrls(urls);
    const environment = environmentWith(options.environment);
    this.#environment = environment;
    this.#wire = new Wire(environment.clock);
    const { token } = options;
    this.#renewal = new TokenRenewal({ wire: this.#wire, environment, token });
    this.#onState = options.onState;
    this.#publisher = new Publisher({
      wire: this.#wire,
      environment,
      randomKey: () => crypto.randomUUID(),
      timeoutMs: options.publishTimeoutMs ?? PUBLISH_TIMEOUT_MS,
    });
    this.#acknowledger = new Acknowledger({
      wire: this.#wire,
      environment,
      onRefused: (conversation, error) => this.#subscriptions.get(conversation)?.report(error),
    });
    this.#link = new Link({
      urls,
      token,
      device: options.device,
      environment,
      listener: {
        onState: (state) => this.#tell(state),
        onReady: (connection, welcome) => {
          this.#renewal.cancel();
          this.#wire.attach(connection, welcome);
          this.#acknowledger.onReady();
          this.#publisher.onReady();
          for (const subscription of this.#subscriptions.values()) subscription.ask();
        },
        onFrame: (frame) => this.#take(frame),
        onLost: (ending) => {
          if (isTooLarge(ending)) this.#publisher.onTooLarge();
          this.#renewal.cancel();
          this.#wire.detach();
          this.#publisher.onLost();
          for (const subscription of this.#subscriptions.values()) subscription.onLost();
        },
      },
    });
  }

  get state(): ClientState {
    return this.#state;
  }

  /**
   * Follows a conversation; one subscription each. Throws a TypeError for what is no conversation
   * id, and an Error when it is followed already.
   */
  subscribe(conversation: string, options: SubscribeOptions): Subscription {
    if (parseConversation(conversation) === undefined) {
      throw new TypeError(`${JSON.stringify(conversation)} is no conversation id`);
    }
    if (this.#subscriptions.has(conversation)) {
      throw new Error(`${conversation} is followed already; unsubscribe that one first`);
    }
    const subscription = new Subscription(conversation, options, {
      wire: this.#wire,
      environment: this.#environment,
      acknowledge: (c, position) => this.#acknowledger.acknowledge(c, position),
      onEnded: () => this.#subscriptions.delete(conversation),
    });
    this.#subscriptions.set(conversation, subscription);
    subscription.ask();
    return subscription;
  }

  /**
   * Resolves when the log has the message on all in-sync replicas. Publishes to one conversation
   * are appended in the order of the calls; while the line is down they wait, and one that is not
   * answered is sent again with its key. Rejects with a {@link MillraceError}, once.
   */
  publish(conversation: string, body: string, options: PublishOptions = {}): Promise<Published> {
    if (this.#state.kind === "stopped") return Promise.reject(this.#state.why);
    return this.#publisher.publish(conversation, body, options);
  }

  /** Ends it; publishes without an answer reject with `closed`. Twice is the same as once. */
  close(): void {
    if (this.#state.kind === "stopped") return;
    this.#acknowledger.flush();
    this.#wire.flush();
    this.#link.close();
    this.#tell({ kind: "stopped", why: new MillraceError("closed", { code: "closed" }) });
  }

  #tell(state: ClientState): void {
    this.#state = state;
    if (state.kind === "stopped") this.#stop(state.why);
    this.#onState?.(state);
  }

  #stop(why: MillraceError): void {
    this.#renewal.cancel();
    this.#wire.detach();
    this.#publisher.close(why);
    for (const subscription of this.#subscriptions.values()) subscription.stop();
  }

  #take(frame: DownFrame): void {
    if (this.#wire.answered(frame)) return;
    if (frame.t === "expiring") this.#renewal.onExpiring(frame.inMs);
    if ("c" in frame && frame.c !== undefined) this.#subscriptions.get(frame.c)?.take(frame);
  }
}

function checkUrls(urls: readonly string[]): void {
  if (urls.length === 0) throw new TypeError("a URL is needed");
  for (const url of urls) {
    const isGood = URL.canParse(url) && /^wss?:$/.test(new URL(url).protocol);
    if (!isGood) throw new TypeError(`${url} is no ws:// or wss:// URL`);
  }
}
