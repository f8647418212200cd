import {
  type CloseCode,
  type ConnectionReport,
  type ConversationId,
  type DownFrame,
  type FrameRefusal,
  type ParsedFrame,
  type RequestId,
  type SubscriptionReport,
  type UpFrame,
  type UserId,
  parseMessage,
} from "@millrace/schemas";
import type { Identity } from "../admission/identity.ts";
import type { Told } from "../hub/told.ts";
import { ConnectionPublishes, type PublishesOwner } from "../publish/connection-publishes.ts";
import { NO_READ } from "../rights/rights.ts";
import type { SessionEntry, SessionHold } from "../session/sessions.ts";
import { FrameRate } from "../rates/frame-rate.ts";
import type { PublishRate } from "../rates/publish-rates.ts";
import type { CursorHolder, RulingSubject } from "@millrace/schemas/record";
import type { ConnectionContext } from "./connection-context.ts";
import { NO_SUBSCRIPTIONS, reportedNames } from "./connection-report.ts";
import { Credential } from "./credential.ts";
import { rateLimited } from "./frame-refusals.ts";
import type { Line, Pulse } from "./heartbeats.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";
import type { Socket, SocketListener } from "./socket.ts";
import { Subscriptions, type SubscriptionsOwner } from "./subscriptions.ts";
import type { TokenHolder } from "./token-life.ts";

/** Who is connected, and with which session. */
export interface ConnectionNames {
  readonly identity: Identity;
  readonly entry: SessionEntry;
}

type Owner = Line & OutboxOwner & PublishesOwner & SubscriptionsOwner & TokenHolder;

/**
 * One open WebSocket: typed frames come in, each is handed to what it is about, and everything
 * goes out through one outbox. No frame is awaited here: what takes time keeps its own order, so
 * frames of one conversation can't overtake each other.
 *
 * There are tens of thousands, most of them silent: what only some of them need is made when they
 * need it, and the parts call the connection itself instead of functions made for each.
 */
export class Connection implements SocketListener, Owner {
  readonly names: ConnectionNames;
  readonly outbox: Outbox;
  readonly #context: ConnectionContext;
  readonly #socket: Socket;
  readonly #credential: Credential;
  readonly #pulse: Pulse;
  readonly #session: SessionHold;
  #publishesMade: ConnectionPublishes | undefined;
  #subscriptionsMade: Subscriptions | undefined;
  #frameRateMade: FrameRate | undefined;
  #publishRate: PublishRate | undefined;
  /** Requests without an answer yet. */
  #requests: Set<RequestId> | undefined;
  #isClosed = false;

  constructor(context: ConnectionContext, socket: Socket, names: ConnectionNames) {
    this.#context = context;
    this.#socket = socket;
    this.names = names;
    const { identity, entry } = names;
    this.outbox = new Outbox(socket, context, this);
    this.#credential = new Credential(context, identity, this);
    this.#pulse = context.heartbeats.watch(this);
    context.metrics.connections.inc();
    this.#session = context.sessions.opened(identity, entry, this);
    this.#welcome();
    if (entry.subscriptions.size > 0) this.#restore();
  }

  get user(): UserId {
    return this.names.identity.user;
  }

  /** Whose the cursors are. */
  get holder(): CursorHolder {
    const { identity, entry } = this.names;
    return identity.device === undefined
      ? { kind: "session", id: entry.sessionId }
      : { kind: "device", name: identity.device };
  }

  /** For operators; at most so many of its subscriptions are listed. */
  report(subscriptionsMax: number): ConnectionReport {
    return {
      ...reportedNames(this.names),
      openedAtMs: this.#session.sinceMs,
      tokenExpiresInMs: this.#credential.expiresInMs,
      quietMs: this.#pulse.quietMs,
      bufferedBytes: this.bufferedBytes(),
      waitingBytes: this.outbox.waitingBytes,
      ...(this.#subscriptionsMade?.report(subscriptionsMax) ?? NO_SUBSCRIPTIONS),
    };
  }

  /** Undefined: it has not subscribed it. */
  stateOf(conversation: ConversationId): SubscriptionReport["state"] | undefined {
    return this.#subscriptionsMade?.stateOf(conversation);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(frame: DownFrame): void {
    if ("id" in frame && typeof frame.id === "number") this.#requests?.delete(frame.id);
    this.outbox.answer(JSON.stringify(frame));
  }

  /** Flushes what is due, then says why it ends. */
  close(code: CloseCode): void {
    if (this.#isClosed) return;
    this.outbox.flush();
    this.#socket.close(code);
    this.#end();
  }

  /** An operator has ruled about this user, or lifted what was ruled: it holds already. */
  onRuled(subject: RulingSubject): void {
    if (subject.kind !== "ban") this.#subscriptionsMade?.onRuled(subject.conversation);
    else if (this.#context.rights.isBanned(this.user)) this.#banish();
  }

  mayRead(conversation: ConversationId): boolean {
    return this.#context.rights.mayRead(this.#credential.identity, conversation);
  }

  mayWrite(conversation: ConversationId): boolean {
    return this.#context.rights.mayWrite(this.#credential.identity, conversation);
  }

  beginning(conversation: ConversationId): Told | undefined {
    return this.#context.rights.beginning(this.user, conversation);
  }

  ping(): void {
    this.#socket.ping();
  }

  bufferedBytes(): number {
    return this.#socket.bufferedBytes();
  }

  sentBytes(): number {
    return this.outbox.sentBytes;
  }

  onSilence(): void {
    this.close(4458);
  }

  onOverflow(): void {
    this.close(4450);
  }

  onExpiring(inMs: number): void {
    this.send({ t: "expiring", inMs });
  }

  onExpired(): void {
    this.close(4451);
  }

  onSubscription(conversation: ConversationId, start: string | undefined): void {
    const { connectionId } = this.names.entry;
    this.#context.sessions.subscribed(connectionId, conversation, start);
  }

  /** Pings and pongs count as frames: each costs the edge one, too. */
  onSign(): void {
    this.#pulse.heard();
    if (this.#frameRate.take() > 0) this.#countLimited("frames");
  }

  onPong(): void {
    this.#pulse.answered();
    this.onSign();
  }

  onText(text: string): void {
    this.#pulse.heard();
    this.#frameRate.spend(text.length);
    const { clock, limits } = this.#context;
    const { announced } = limits;
    this.#session.lastActiveMs = clock.wallMs();
    const parsed = parseMessage(text, {
      user: this.user,
      bodyBytes: announced.bodyBytes,
      metaBytes: announced.metaBytes,
    });
    if (parsed.kind === "not-frames") return this.close(4400);
    if (parsed.frames.length === 0 && this.#frameRate.take() > 0) this.#countLimited("frames");
    for (const item of parsed.frames) {
      if (this.#isClosed) return;
      const retryMs = this.#frameRate.take();
      if (retryMs > 0) this.#limit(item, retryMs);
      else if (item.kind === "refusal") this.#refuse(item.refusal);
      else this.#dispatch(item.frame);
    }
  }

  onDrain(): void {
    this.#pulse.drained();
    this.outbox.onDrain();
  }

  onClose(code: number): void {
    this.#end();
    this.#context.onClosed(this, code);
  }

  get #frameRate(): FrameRate {
    return (this.#frameRateMade ??= new FrameRate(this.#context.clock, this.#context.limits));
  }

  get #publishes(): ConnectionPublishes {
    return (this.#publishesMade ??= new ConnectionPublishes(this.#context, this));
  }

  get #subscriptions(): Subscriptions {
    return (this.#subscriptionsMade ??= new Subscriptions(this.#context, this));
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#credential.end();
    this.#pulse.end();
    this.#publishRate?.leave();
    this.#subscriptionsMade?.end();
    this.outbox.close();
    const { metrics, sessions, acknowledgements } = this.#context;
    metrics.connections.dec();
    const { identity, entry } = this.names;
    void sessions.closed(entry.connectionId);
    void acknowledgements.flush(identity.user);
  }

  /** Of what waits for the socket, messages are not the user's any more. */
  #banish(): void {
    if (this.#isClosed) return;
    this.#subscriptionsMade?.end();
    this.close(4403);
  }

  /** What the session's former connection had subscribed, each announced by itself. */
  #restore(): void {
    const { identity, entry } = this.names;
    const { sessions, rights } = this.#context;
    for (const [name, start] of entry.subscriptions) {
      const conversation = name as ConversationId;
      if (rights.mayRead(identity, conversation)) {
        void this.#subscriptions.restore(conversation, start);
        continue;
      }
      sessions.subscribed(entry.connectionId, conversation, undefined);
      this.send({ t: "unsubd", c: conversation, code: "forbidden" });
    }
  }

  #welcome(): void {
    const { edgeId, pingMs, limits, clock } = this.#context;
    const { identity, entry } = this.names;
    this.send({
      t: "welcome",
      session: entry.sessionId,
      conn: entry.connectionId,
      user: identity.user,
      ...(identity.device !== undefined && { device: identity.device }),
      edge: edgeId,
      resumed: entry.isResumed,
      features: [],
      pingMs,
      serverTime: clock.wallMs(),
      tokenExpiresInMs: this.#credential.expiresInMs,
      limits: limits.announced,
    });
  }

  #dispatch(frame: UpFrame): void {
    if (!this.#admitId(frame)) return;
    switch (frame.t) {
      case "pub":
        return this.#publish(frame);
      case "sub":
        if (this.#maySubscribe(frame)) void this.#subscriptions.subscribe(frame);
        return;
      case "unsub":
        void this.#subscriptions.unsubscribe(frame);
        return;
      case "skip":
        void this.#subscriptions.skip(frame);
        return;
      case "ack":
        return this.#acknowledge(frame);
      case "auth":
        void this.#renew(frame);
        return;
      case "ping": {
        const id = frame.id === undefined ? {} : { id: frame.id };
        return this.send({ t: "pong", ...id, serverTime: this.#context.clock.wallMs() });
      }
    }
  }

  /** An id that is in flight is refused with itself; the request in flight keeps its answer. */
  #admitId(frame: UpFrame): boolean {
    const { id } = frame;
    if (id === undefined) return true;
    const requests = (this.#requests ??= new Set());
    if (requests.has(id)) {
      this.#context.metrics.errors.inc({ code: "bad-frame" });
      const message = "id is in flight already";
      this.outbox.answer(JSON.stringify({ t: "err", id, code: "bad-frame", message }));
      return false;
    }
    requests.add(id);
    return true;
  }

  #refuse(refusal: FrameRefusal): void {
    if (refusal.pub !== undefined) return this.#publishes.refuse(refusal);
    this.#context.metrics.errors.inc({ code: refusal.code });
    this.send({ t: "err", ...refusal });
  }

  /** Of a frame that came too soon nothing is done; whoever goes on regardless is cut off. */
  #limit(item: ParsedFrame, retryMs: number): void {
    if (item.kind === "frame" && !this.#admitId(item.frame)) return;
    this.#refuse(rateLimited(item, "frames", retryMs));
    this.#countLimited("frames");
  }

  #countLimited(limit: "frames" | "subscribes"): void {
    this.#context.metrics.limited.inc({ limit });
    if (this.#frameRate.isFlood) this.close(4450);
  }

  #publish(frame: Extract<UpFrame, { t: "pub" }>): void {
    this.#publishRate ??= this.#context.publishRates.join(this.user);
    const retryMs = this.#publishRate.take();
    if (retryMs === 0) return this.#publishes.publish(frame);
    this.#context.metrics.limited.inc({ limit: "publishes" });
    this.#refuse(rateLimited({ kind: "frame", frame }, "publishes", retryMs));
  }

  /** Never rejects. The new rights hold before their answer is sent. */
  async #renew({ id, token }: Extract<UpFrame, { t: "auth" }>): Promise<void> {
    const outcome = await this.#credential.renew(token);
    if (this.#isClosed) return;
    if (outcome.kind === "refused") return this.#refuse({ ...outcome.refusal, id });
    const { tokenExpiresInMs } = outcome;
    this.#subscriptionsMade?.revoke();
    this.send({ t: "authd", id, tokenExpiresInMs });
  }

  #maySubscribe(frame: Extract<UpFrame, { t: "sub" }>): boolean {
    const { id, conversation } = frame;
    const retryMs = this.#frameRate.takeSubscribe();
    if (retryMs > 0) {
      this.#refuse(rateLimited({ kind: "frame", frame }, "subscribes", retryMs));
      this.#countLimited("subscribes");
      return false;
    }
    if (!this.mayRead(conversation)) {
      this.#refuse({ ...NO_READ, id });
      return false;
    }
    const { subscriptions } = this.#context.limits.announced;
    const isNew = !this.#subscriptions.has(conversation);
    if (!isNew || this.#subscriptions.size < subscriptions) return true;
    const message = `${subscriptions} subscriptions are held already`;
    this.#refuse({ code: "too-many-subscriptions", message, id });
    return false;
  }

  #acknowledge(frame: Extract<UpFrame, { t: "ack" }>): void {
    const { id, conversation: c, position } = frame;
    const name = id === undefined ? { c } : { id };
    if (!this.mayRead(c)) return this.#refuse({ ...NO_READ, ...name });
    const { user, holder } = this;
    const key = { user, holder, conversation: c };
    void this.#context.acknowledgements.take(key, position).then((outcome) => {
      if (outcome.kind === "refused") this.#refuse({ ...outcome.refusal, ...name });
      else if (id !== undefined) this.send({ t: "ackd", id, c, pos: outcome.pos });
    });
  }
}
