import type { Clock, Logger } from "@millrace/runtime";
import {
  type CloseCode,
  type ConversationId,
  type DownFrame,
  type FrameRefusal,
  type ParsedFrame,
  type RequestId,
  type UpFrame,
  parseMessage,
} from "@millrace/schemas";
import type { Renewal } from "../admission/admission.ts";
import type { Identity } from "../admission/identity.ts";
import { mayRead, mayWrite } from "../admission/rights.ts";
import type { CatchUp } from "../catchup/catch-up.ts";
import type { StartPoints } from "../catchup/start-point.ts";
import type { Hubs } from "../hub/hubs.ts";
import type { EdgeLimits } from "../limits.ts";
import type { EdgeMetrics } from "../metrics.ts";
import { ConnectionPublishes } from "../publish/connection-publishes.ts";
import type { Publisher } from "../publish/publisher.ts";
import type { SessionEntry, Sessions } from "../session/sessions.ts";
import { FrameRate } from "../rates/frame-rate.ts";
import type { PublishRate, PublishRates } from "../rates/publish-rates.ts";
import type { Acknowledgements } from "../session/acknowledgements.ts";
import type { CursorHolder } from "@millrace/schemas/record";
import type { Tails } from "../tail/tails.ts";
import { Credential } from "./credential.ts";
import type { Flusher } from "./flusher.ts";
import { rateLimited } from "./frame-refusals.ts";
import type { Heartbeats, Pulse } from "./heartbeats.ts";
import { Outbox } from "./outbox.ts";
import type { Socket, SocketListener } from "./socket.ts";
import { Subscriptions } from "./subscriptions.ts";

/** What all connections of an edge share. */
export interface ConnectionContext {
  readonly edgeId: string;
  readonly pingMs: number;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly logger: Logger;
  readonly metrics: EdgeMetrics;
  readonly flusher: Flusher;
  readonly hubs: Hubs;
  readonly tails: Tails;
  readonly catchUp: CatchUp;
  readonly startPoints: StartPoints;
  readonly publisher: Publisher;
  readonly acknowledgements: Acknowledgements;
  readonly sessions: Sessions;
  readonly heartbeats: Heartbeats;
  readonly publishRates: PublishRates;
  /** Judges a token as the handshake does. */
  readonly renew: (token: string) => Promise<Renewal>;
}

/** Who is connected, and with which session. */
export interface ConnectionNames {
  readonly identity: Identity;
  readonly entry: SessionEntry;
}

/**
 * One open WebSocket: typed frames come in, each is handed to what it is about, and everything
 * goes out through one outbox. No frame is awaited here: what takes time keeps its own order, so
 * frames of one conversation can't overtake each other.
 */
export class Connection implements SocketListener {
  readonly names: ConnectionNames;
  readonly #context: ConnectionContext;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #publishes: ConnectionPublishes;
  readonly #subscriptions: Subscriptions;
  readonly #holder: CursorHolder;
  readonly #credential: Credential;
  readonly #pulse: Pulse;
  readonly #frameRate: FrameRate;
  readonly #publishRate: PublishRate;
  /** Requests without an answer yet. */
  readonly #requests = new Set<RequestId>();
  #isClosed = false;

  constructor(context: ConnectionContext, socket: Socket, names: ConnectionNames) {
    this.#context = context;
    this.#socket = socket;
    this.names = names;
    const { identity, entry } = names;
    const { connectionId, sessionId } = entry;
    const { limits, flusher, clock, heartbeats, publishRates } = context;
    this.#holder =
      identity.device === undefined
        ? { kind: "session", id: sessionId }
        : { kind: "device", name: identity.device };
    const onOverflow = (): void => this.close(4450);
    const send = (frame: DownFrame): void => this.send(frame);
    const { user } = identity;
    const credential = new Credential({
      ...context,
      identity,
      onExpiring: (inMs) => send({ t: "expiring", inMs }),
      onExpired: () => this.close(4451),
    });
    this.#credential = credential;
    const outbox = new Outbox({ socket, limits, flusher, onOverflow });
    this.#outbox = outbox;
    this.#pulse = heartbeats.watch({
      ping: () => socket.ping(),
      bufferedBytes: () => socket.bufferedBytes(),
      sentBytes: () => outbox.sentBytes,
      onSilence: () => this.close(4458),
    });
    this.#frameRate = new FrameRate(clock, limits);
    this.#publishRate = publishRates.join(user);
    this.#publishes = new ConnectionPublishes({
      ...context,
      user,
      send,
      mayWrite: (conversation) => mayWrite(credential.identity, conversation),
    });
    this.#subscriptions = new Subscriptions({
      ...context,
      user,
      holder: this.#holder,
      outbox,
      mayRead: (conversation) => mayRead(credential.identity, conversation),
      send,
      onChange: (c, start) => context.sessions.subscribed(connectionId, c, start),
    });
    context.metrics.connections.inc();
    context.sessions.opened(identity, entry, this);
    this.#welcome();
    this.#restore();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(frame: DownFrame): void {
    if ("id" in frame && typeof frame.id === "number") this.#requests.delete(frame.id);
    this.#outbox.answer(JSON.stringify(frame));
  }

  /** Flushes what is due, then says why it ends. */
  close(code: CloseCode): void {
    if (this.#isClosed) return;
    this.#outbox.flush();
    this.#socket.close(code);
    this.#end();
  }

  onSign(): void {
    this.#pulse.heard();
  }

  onPong(): void {
    this.#pulse.answered();
  }

  onText(text: string): void {
    this.#pulse.heard();
    this.#context.sessions.active(this.names.entry.connectionId);
    const { announced } = this.#context.limits;
    const parsed = parseMessage(text, {
      user: this.names.identity.user,
      bodyBytes: announced.bodyBytes,
      metaBytes: announced.metaBytes,
    });
    if (parsed.kind === "not-frames") return this.close(4400);
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
    this.#outbox.onDrain();
  }

  onClose(): void {
    this.#end();
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#credential.end();
    this.#pulse.end();
    this.#publishRate.leave();
    this.#subscriptions.end();
    this.#outbox.close();
    const { metrics, sessions, acknowledgements } = this.#context;
    metrics.connections.dec();
    const { identity, entry } = this.names;
    void sessions.closed(entry.connectionId);
    void acknowledgements.flush(identity.user);
  }

  /** What the session's former connection had subscribed, each announced by itself. */
  #restore(): void {
    const { identity, entry } = this.names;
    const { sessions } = this.#context;
    for (const [name, start] of entry.subscriptions) {
      const conversation = name as ConversationId;
      if (mayRead(identity, conversation)) {
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
    if (this.#requests.has(id)) {
      this.#context.metrics.errors.inc({ code: "bad-frame" });
      const message = "id is in flight already";
      this.#outbox.answer(JSON.stringify({ t: "err", id, code: "bad-frame", message }));
      return false;
    }
    this.#requests.add(id);
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
    if (this.#frameRate.isFlood) this.close(4450);
  }

  #publish(frame: Extract<UpFrame, { t: "pub" }>): void {
    const retryMs = this.#publishRate.take();
    if (retryMs === 0) return this.#publishes.publish(frame);
    this.#refuse(rateLimited({ kind: "frame", frame }, "publishes", retryMs));
  }

  /** Never rejects. The new rights hold before their answer is sent. */
  async #renew({ id, token }: Extract<UpFrame, { t: "auth" }>): Promise<void> {
    const outcome = await this.#credential.renew(token);
    if (this.#isClosed) return;
    if (outcome.kind === "refused") return this.#refuse({ ...outcome.refusal, id });
    const { tokenExpiresInMs } = outcome;
    this.#subscriptions.revoke();
    this.send({ t: "authd", id, tokenExpiresInMs });
  }

  #maySubscribe({ id, conversation }: Extract<UpFrame, { t: "sub" }>): boolean {
    if (!mayRead(this.#credential.identity, conversation)) {
      this.#refuse({ code: "forbidden", message: "no right to read this conversation", id });
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
    if (!mayRead(this.#credential.identity, c)) {
      return this.#refuse({
        code: "forbidden",
        message: "no right to read this conversation",
        ...name,
      });
    }
    const { user } = this.names.identity;
    const key = { user, holder: this.#holder, conversation: c };
    void this.#context.acknowledgements.take(key, position).then((outcome) => {
      if (outcome.kind === "refused") this.#refuse({ ...outcome.refusal, ...name });
      else if (id !== undefined) this.send({ t: "ackd", id, c, pos: outcome.pos });
    });
  }
}
