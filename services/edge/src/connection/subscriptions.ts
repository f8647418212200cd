import type {
  ConnectionReport,
  ConversationId,
  DownFrame,
  ErrFrame,
  From,
  RequestId,
  SubscriptionReport,
} from "@millrace/schemas";
import type { CatchUp } from "../catchup/catch-up.ts";
import type { StartPoints } from "../catchup/start-point.ts";
import type { Hubs } from "../hub/hubs.ts";
import { Subscriber } from "../hub/subscriber.ts";
import { type Told, isBefore } from "../hub/told.ts";
import type { EdgeLimits } from "../limits.ts";
import type { EdgeMetrics } from "../metrics.ts";
import { NO_READ } from "../rights/rights.ts";
import type { CursorHolder } from "@millrace/schemas/record";
import type { Tails } from "../tail/tails.ts";
import type { Outbox } from "./outbox.ts";

/** What the subscriptions of all connections share. */
export interface SubscriptionsContext {
  readonly hubs: Hubs;
  readonly tails: Tails;
  readonly catchUp: CatchUp;
  readonly startPoints: StartPoints;
  readonly limits: EdgeLimits;
  readonly metrics: EdgeMetrics;
}

/** The connection whose they are. */
export interface SubscriptionsOwner {
  readonly user: string;
  readonly holder: CursorHolder;
  readonly outbox: Outbox;
  mayRead(conversation: ConversationId): boolean;
  /** What stands before it is not the user's to read; undefined: all is. */
  beginning(conversation: ConversationId): Told | undefined;
  send(frame: DownFrame): void;
  /** Subscribed after that position; undefined: not any more. Not told at the connection's end. */
  onSubscription(conversation: ConversationId, start: string | undefined): void;
}

const RETRY_MS = 1_000;
const UNREACHED = "the partition can't be read";

type State = SubscriptionReport["state"];

/** Whoever asks why nothing comes sees what is not as it should be before what is. */
const STATES: readonly State[] = ["lagging", "finding", "catching-up", "live"];

type Refusal = Pick<ErrFrame, "code" | "message" | "retryMs">;

type SubRequest = {
  readonly id: RequestId;
  readonly conversation: ConversationId;
  readonly from: From;
};

/**
 * The conversations of one connection. What a client asks of one conversation is done in the order
 * asked, also where finding the start takes time: a later `unsub` never overtakes its `sub`. Other
 * conversations don't wait.
 */
export class Subscriptions {
  readonly #context: SubscriptionsContext;
  readonly #owner: SubscriptionsOwner;
  readonly #subscribers = new Map<ConversationId, Subscriber>();
  /** The last task of each conversation that has one running. */
  readonly #tasks = new Map<ConversationId, Promise<void>>();
  #isEnded = false;

  constructor(context: SubscriptionsContext, owner: SubscriptionsOwner) {
    this.#context = context;
    this.#owner = owner;
  }

  get size(): number {
    return this.#subscribers.size;
  }

  has(conversation: ConversationId): boolean {
    return this.#subscribers.has(conversation) || this.#tasks.has(conversation);
  }

  /** Undefined: it is not subscribed. */
  stateOf(conversation: ConversationId): State | undefined {
    const subscriber = this.#subscribers.get(conversation);
    if (subscriber === undefined) return this.#tasks.has(conversation) ? "finding" : undefined;
    if (this.#context.catchUp.isLagging(subscriber)) return "lagging";
    return subscriber.state === "live" ? "live" : "catching-up";
  }

  /** For operators: at most so many are listed, those that are not live first. */
  report(countMax: number): Pick<ConnectionReport, "subscriptions" | "subscriptionsTotal"> {
    const names = [...new Set([...this.#subscribers.keys(), ...this.#tasks.keys()])];
    const stated = names.map((name) => ({ name, state: this.stateOf(name) ?? "finding" }));
    stated.sort((one, other) => STATES.indexOf(one.state) - STATES.indexOf(other.state));
    const subscriptions = stated.slice(0, countMax).map(({ name, state }) => {
      const told = this.#subscribers.get(name)?.told;
      const partition = told?.partition ?? this.#context.tails.partitionOf(name) ?? null;
      return { conversation: name, partition, state, told: told?.text ?? null };
    });
    return { subscriptionsTotal: names.length, subscriptions };
  }

  subscribe(request: SubRequest): Promise<void> {
    const { tails, limits } = this.#context;
    const { conversation } = request;
    // What is appended from now on belongs to it, however long it waits for its turn.
    const reached = tails.whenReached(conversation, limits.subscribeDeadlineMs);
    return this.#inOrder(conversation, () => this.#subscribe(request, reached));
  }

  /** A subscription of the session's former connection, that was begun after that position. */
  restore(conversation: ConversationId, start: string): Promise<void> {
    const { tails, limits } = this.#context;
    const reached = tails.whenReached(conversation, limits.subscribeDeadlineMs);
    return this.#inOrder(conversation, () => this.#restore(conversation, start, reached));
  }

  unsubscribe(request: { id?: RequestId; conversation: ConversationId }): Promise<void> {
    const { id, conversation } = request;
    return this.#inOrder(conversation, () => {
      if (this.#remove(conversation)) {
        this.#owner.onSubscription(conversation, undefined);
        if (id !== undefined) this.#owner.send({ t: "unsubd", id, c: conversation });
      } else this.#notSubscribed({ conversation, ...(id !== undefined && { id }) });
    });
  }

  skip(request: { id: RequestId; conversation: ConversationId }): Promise<void> {
    const { id, conversation } = request;
    return this.#inOrder(conversation, () => {
      const subscriber = this.#subscribers.get(conversation);
      if (subscriber === undefined) return this.#notSubscribed(request);
      this.#owner.send({ t: "skipd", id, c: conversation });
      subscriber.skip();
    });
  }

  /** Other rights hold from now on: what they don't cover ends here and now, and is told. */
  revoke(): void {
    for (const c of this.#subscribers.keys()) if (!this.#owner.mayRead(c)) this.#forbid(c);
  }

  /** An operator has ruled about the user in that conversation. */
  onRuled(conversation: ConversationId): void {
    const subscriber = this.#subscribers.get(conversation);
    if (subscriber === undefined) return;
    if (!this.#owner.mayRead(conversation)) this.#forbid(conversation);
    else if (isBefore(subscriber.told, subscriber.beginning)) this.#restart(subscriber);
  }

  /** The socket is gone: nothing stays behind, and a start still being looked for comes too late. */
  end(): void {
    this.#isEnded = true;
    for (const conversation of this.#subscribers.keys()) this.#remove(conversation);
  }

  async #subscribe(request: SubRequest, reached: Promise<Told | undefined>): Promise<void> {
    const { id, conversation, from } = request;
    const { startPoints } = this.#context;
    const { user, holder } = this.#owner;
    const tail = await reached;
    if (this.#isEnded) return;
    const start = tail && (await startPoints.resolve(from, tail, { user, holder, conversation }));
    if (this.#isEnded) return;
    // The rights may have changed while it waited.
    if (!this.#owner.mayRead(conversation)) this.#refuse({ id }, NO_READ);
    else if (tail === undefined || start === undefined) this.#unavailable({ id }, UNREACHED);
    else if (start.kind === "start") {
      this.#owner.onSubscription(conversation, start.at.text);
      this.#begin({ id }, conversation, { at: start.at, tail });
    } else if (start.code === "unavailable") this.#unavailable({ id }, start.message);
    else this.#refuse({ id }, start);
  }

  async #restore(
    conversation: ConversationId,
    text: string,
    reached: Promise<Told | undefined>,
  ): Promise<void> {
    const { startPoints } = this.#context;
    const { user, holder } = this.#owner;
    const name = { c: conversation };
    const tail = await reached;
    if (this.#isEnded) return;
    const start = tail && (await startPoints.restored(text, tail, { user, holder, conversation }));
    if (this.#isEnded) return;
    // As for a subscribe: the rights may have changed while it waited.
    if (!this.#owner.mayRead(conversation)) this.#forbid(conversation);
    else if (tail === undefined || start === undefined) this.#unavailable(name, UNREACHED);
    else if (start.kind === "start") {
      this.#begin({ restored: true }, conversation, { at: start.at, tail });
    } else this.#unavailable(name, start.message);
  }

  /** Frames before `subd` belong to the old subscription, those behind it to the new one. */
  #begin(
    why: { readonly id: RequestId } | { readonly restored: true },
    conversation: ConversationId,
    place: { readonly at: Told; readonly tail: Told },
  ): void {
    const { tails } = this.#context;
    this.#remove(conversation);
    const { at } = place;
    const tail = tails.positionOf(conversation) ?? place.tail;
    const isAhead = at.epoch === tail.epoch && at.offset > tail.offset;
    const head = isAhead ? at.text : tail.text;
    this.#owner.send({ t: "subd", ...why, c: conversation, pos: at.text, head });
    this.#start(conversation, at);
  }

  #start(conversation: ConversationId, start: Told): Subscriber {
    const { catchUp, metrics } = this.#context;
    const { outbox } = this.#owner;
    const subscriber = new Subscriber({
      conversation,
      start,
      rights: this.#owner,
      outbox,
      onLag: () => {
        metrics.lagging.inc();
        void catchUp.run(subscriber, outbox);
      },
    });
    this.#subscribers.set(conversation, subscriber);
    metrics.subscriptions.inc();
    void catchUp.run(subscriber, outbox);
    return subscriber;
  }

  /** From what the socket has taken on, once more: what waits for it is not the user's any more. */
  #restart({ conversation, told, isSkipping }: Subscriber): void {
    this.#remove(conversation);
    const subscriber = this.#start(conversation, told);
    if (isSkipping) subscriber.skip();
  }

  #forbid(c: ConversationId): void {
    this.#remove(c);
    this.#context.metrics.errors.inc({ code: "forbidden" });
    this.#owner.onSubscription(c, undefined);
    this.#owner.send({ t: "unsubd", c, code: "forbidden" });
  }

  #remove(conversation: ConversationId): boolean {
    const subscriber = this.#subscribers.get(conversation);
    if (subscriber === undefined) return false;
    subscriber.end();
    this.#context.hubs.detach(subscriber);
    this.#subscribers.delete(conversation);
    this.#context.metrics.subscriptions.dec();
    return true;
  }

  #inOrder(conversation: ConversationId, task: () => void | Promise<void>): Promise<void> {
    const before = this.#tasks.get(conversation);
    const run = before === undefined ? Promise.resolve(task()) : before.then(task);
    const done = run.finally(() => {
      if (this.#tasks.get(conversation) === done) this.#tasks.delete(conversation);
    });
    this.#tasks.set(conversation, done);
    return done;
  }

  #notSubscribed(request: { id?: RequestId; conversation: ConversationId }): void {
    const { id, conversation } = request;
    const name = id === undefined ? { c: conversation } : { id };
    this.#refuse(name, { code: "not-subscribed", message: "no subscription of it here" });
  }

  #unavailable(name: { id?: RequestId; c?: string }, message: string): void {
    this.#refuse(name, { code: "unavailable", message, retryMs: RETRY_MS });
  }

  #refuse(name: { id?: RequestId; c?: string }, refusal: Refusal): void {
    const { code, message, retryMs } = refusal;
    this.#context.metrics.errors.inc({ code });
    const retry = retryMs === undefined ? {} : { retryMs };
    this.#owner.send({ t: "err", ...name, code, message, ...retry });
  }
}
