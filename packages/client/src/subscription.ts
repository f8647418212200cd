import type {
  DownFrame,
  ErrFrame,
  GapFrame,
  LiveFrame,
  MessageFields,
  MsgFrame,
  SubdFrame,
} from "@millrace/schemas";
import { Backoff } from "./backoff.ts";
import type { CancellableTimer, Environment } from "./environment.ts";
import { MillraceError, errorOf, isRetryable } from "./errors.ts";
import { isBehind } from "./positions.ts";
import { RecentKeys } from "./recent-keys.ts";
import type { Wire } from "./wire.ts";

/** Where a subscription starts, as docs/protocol.md §4 spells it. */
export type StartFrom =
  | "live"
  | "acked"
  | "earliest"
  | { readonly after: string }
  | { readonly last: number }
  | { readonly time: number };

/** A range that will not come: nothing between `after` and `pos` (docs/protocol.md §6). */
export type Gap = Omit<GapFrame, "t" | "c">;

export interface SubscribeOptions {
  /** Default `"live"`. */
  readonly from?: StartFrom;
  /** Each message once, in the log's order; the next one waits for a promise that is returned. */
  readonly onMessage: (message: MessageFields, subscription: Subscription) => unknown;
  readonly onGap?: (gap: Gap, subscription: Subscription) => unknown;
  /** Caught up: from here on as it happens. Again after every time the line was lost. */
  readonly onLive?: (subscription: Subscription) => unknown;
  /** `isEnded` of the subscription tells whether it was final; a failed handler is not. */
  readonly onError?: (error: MillraceError, subscription: Subscription) => unknown;
  /** Acknowledge each message when its handler is done. Default false. */
  readonly isAutoAcknowledged?: boolean;
}

export interface SubscriptionContext {
  readonly wire: Wire;
  readonly environment: Environment;
  readonly acknowledge: (conversation: string, position: string) => void;
  readonly onEnded: (subscription: Subscription) => void;
}

type Phase =
  /** Nothing that the server sends now is for us. */
  | { readonly kind: "idle" }
  | { readonly kind: "asked"; readonly id: number }
  | { readonly kind: "told"; readonly position: string }
  | { readonly kind: "ended" };

type Item = MsgFrame | GapFrame | LiveFrame;

/** What may wait for a slow handler; beyond it the log keeps the rest. */
const WAITING_MAX = 1_000;
const WAITING_CHARACTERS_MAX = 1_000_000;

/**
 * One conversation, as the application wants it.
 *
 * The invariant: what the handlers get is one unbroken run of the log. A frame is taken only if its
 * `prev` (or `after`) is, as text, the last position told on this connection; any other means that
 * something is missing, and the subscription is asked for again behind the last message handed
 * over. That position, never the newest one seen, is also where it resumes on a new connection, and
 * what waits for a slow handler is dropped then: the log has it. So nothing of an earlier
 * connection can be handed over after its successor took over.
 */
export class Subscription {
  readonly conversation: string;
  readonly #options: SubscribeOptions;
  readonly #context: SubscriptionContext;
  readonly #backoff: Backoff;
  readonly #keys = new RecentKeys();
  #phase: Phase = { kind: "idle" };
  #waiting: Item[] = [];
  #waitingCharacters = 0;
  #isHandling = false;
  /** The waiting room is full: the server was told to stop, and is asked again when it is empty. */
  #isHeld = false;
  #handed: string | undefined;
  #position: string | undefined;
  #isLive = false;
  #timer: CancellableTimer | undefined;

  constructor(conversation: string, options: SubscribeOptions, context: SubscriptionContext) {
    this.conversation = conversation;
    this.#options = options;
    this.#context = context;
    this.#backoff = new Backoff(context.environment.random);
    const { from } = options;
    if (typeof from === "object" && "after" in from) {
      this.#handed = from.after;
      this.#position = from.after;
    }
  }

  /**
   * The end of the unbroken run whose handlers are done: store it, and start from
   * `{ after: position }` another time. Undefined before the server has answered for the first time.
   */
  get position(): string | undefined {
    return this.#position;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  get isEnded(): boolean {
    return this.#phase.kind === "ended";
  }

  /**
   * Everything up to here is processed; default: all whose handlers are done. Throws a RangeError
   * for a position that was not handed over, because what was not seen can't be processed.
   */
  acknowledge(position: string | undefined = this.#position): void {
    if (position === undefined) return;
    if (position !== this.#handed && isBehind(position, this.#handed ?? "") !== false) {
      throw new RangeError(`${position} was not handed over yet`);
    }
    this.#context.acknowledge(this.conversation, position);
  }

  /** No handler is called after this has returned. */
  unsubscribe(): void {
    if (this.isEnded) return;
    this.stop();
    this.#context.wire.post({ t: "unsub", c: this.conversation });
  }

  /** It ends here; the server is told nothing. */
  stop(): void {
    this.#phase = { kind: "ended" };
    this.#isLive = false;
    this.#timer?.cancel();
    this.#dropWaiting();
    this.#context.onEnded(this);
  }

  /** Something went wrong that the application should know. */
  report(error: MillraceError): void {
    this.#options.onError?.(error, this);
  }

  /** The line is up, or anything else made it necessary to ask (again). */
  ask(): void {
    this.#dropWaiting();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isHeld = false;
    if (this.isEnded || !this.#context.wire.isUp) return;
    const from = this.#handed === undefined ? this.#options.from : { after: this.#handed };
    const frame = { t: "sub", c: this.conversation, from: from ?? "live" };
    const id = this.#context.wire.request(frame, (answer) => this.#answered(id, answer));
    this.#phase = { kind: "asked", id };
  }

  /** The line is gone. What waits is still handed over until there is a new one. */
  onLost(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isLive = false;
    if (!this.isEnded) this.#phase = { kind: "idle" };
  }

  /** A frame of this conversation that answers no request. */
  take(frame: DownFrame): void {
    if (this.#phase.kind !== "told") return;
    const told = this.#phase.position;
    if (frame.t === "unsubd") return this.#lose(frame.code);
    if (frame.t !== "msg" && frame.t !== "gap" && frame.t !== "live") return;
    if (frame.t === "msg" && frame.prev !== told) return this.#repair();
    if (frame.t === "gap" && frame.after !== told) return this.#repair();
    this.#phase = { kind: "told", position: frame.pos };
    this.#backoff.reset();
    this.#waiting.push(frame);
    if (frame.t === "msg") this.#waitingCharacters += frame.body.length;
    this.#handOver();
    if (this.#waiting.length > WAITING_MAX || this.#waitingCharacters > WAITING_CHARACTERS_MAX) {
      this.#hold();
    }
  }

  #answered(id: number, answer: DownFrame): void {
    // A later request has taken this one's place, or nobody wants it any more.
    if (this.#phase.kind !== "asked" || this.#phase.id !== id) return;
    if (answer.t === "subd") this.#begin(answer);
    else if (answer.t === "err") this.#refused(answer);
  }

  #begin({ pos }: SubdFrame): void {
    this.#phase = { kind: "told", position: pos };
    // With nothing received yet this is what a resume goes on from.
    this.#handed ??= pos;
    this.#position ??= pos;
  }

  #refused(err: ErrFrame): void {
    this.#phase = { kind: "idle" };
    if (isRetryable(err.code)) return this.#askLater(err.retryMs ?? this.#backoff.nextMs());
    this.#fail(errorOf(err));
  }

  /** Once at once; a server that breaks the run again and again is asked less and less often. */
  #repair(): void {
    this.#isLive = false;
    this.#phase = { kind: "idle" };
    const isFirst = this.#backoff.attempts === 0;
    const delayMs = this.#backoff.nextMs();
    if (isFirst) this.ask();
    else this.#askLater(delayMs);
  }

  #hold(): void {
    this.#isHeld = true;
    this.#isLive = false;
    this.#phase = { kind: "idle" };
    this.#context.wire.post({ t: "unsub", c: this.conversation });
  }

  #lose(code: ErrFrame["code"] = "internal"): void {
    this.#phase = { kind: "idle" };
    if (isRetryable(code)) return this.#askLater(this.#backoff.nextMs());
    this.#fail(new MillraceError("the server has ended the subscription", { code }));
  }

  #fail(error: MillraceError): void {
    this.stop();
    this.report(error);
  }

  #askLater(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#context.environment.clock.after(delayMs, () => this.ask());
  }

  #dropWaiting(): void {
    this.#waiting = [];
    this.#waitingCharacters = 0;
  }

  /** One after the other; without a promise in between all of it in this very turn. */
  #handOver(): void {
    while (!this.#isHandling && !this.isEnded) {
      const item = this.#waiting.shift();
      if (item === undefined) break;
      if (item.t === "msg") this.#waitingCharacters -= item.body.length;
      this.#handed = item.pos;
      const result = this.#handle(item);
      if (isPromise(result)) void this.#finishLater(item, result);
      else this.#finish(item);
    }
    if (this.#isHeld && !this.#isHandling && this.#waiting.length === 0) this.ask();
  }

  /** Never rejects. */
  async #finishLater(item: Item, result: PromiseLike<unknown>): Promise<void> {
    this.#isHandling = true;
    try {
      await result;
    } catch (cause) {
      this.#handlerFailed(cause);
    }
    this.#isHandling = false;
    this.#finish(item);
    this.#handOver();
  }

  #finish(item: Item): void {
    this.#position = item.pos;
    if (this.#options.isAutoAcknowledged === true) this.acknowledge(item.pos);
  }

  #handle(item: Item): unknown {
    const { onMessage, onGap, onLive } = this.#options;
    try {
      if (item.t === "msg") return this.#isRepeat(item) ? undefined : onMessage(bare(item), this);
      if (item.t === "gap") {
        const { after, pos, reason, missed } = item;
        return onGap?.({ after, pos, reason, missed }, this);
      }
      this.#isLive = true;
      return onLive?.(this);
    } catch (cause) {
      this.#handlerFailed(cause);
      return undefined;
    }
  }

  #isRepeat(message: MsgFrame): boolean {
    return this.#keys.isRepeat(message, this.#context.wire.limits?.dedupMs ?? 0);
  }

  #handlerFailed(cause: unknown): void {
    const error = new MillraceError("a handler failed", { code: "handler-failed", cause });
    if (!this.isEnded) this.report(error);
  }
}

function bare({ t: _t, prev: _prev, ...message }: MsgFrame): MessageFields {
  return message;
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}
