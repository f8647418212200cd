import type { ConversationId, DownFrame, From, Position } from "@millrace/schemas";
import { Outbox } from "../connection/outbox.ts";
import type { Flusher } from "../connection/flusher.ts";
import { Subscriptions, type SubscriptionsContext } from "../connection/subscriptions.ts";
import type { Told } from "../hub/told.ts";
import type { Acknowledgements } from "../session/acknowledgements.ts";
import type { AckBook } from "./ack-book.ts";
import { ClientView, type WorldView } from "./client-view.ts";
import { FakeSocket } from "./fake-socket.ts";

type TestClientOptions = SubscriptionsContext & {
  /** Whose cursors these are, and what was acknowledged. */
  readonly book: AckBook;
  readonly acknowledgements: Acknowledgements;
  readonly flusher: Flusher;
  readonly world: WorldView;
  /** What its socket buffers before it drops. */
  readonly capacityBytes: number;
  readonly onClose: () => void;
};

/** One connection's way from the log to its socket, and the client that judges what comes. */
export class TestClient {
  readonly socket: FakeSocket;
  readonly view: ClientView;
  readonly frames: DownFrame[] = [];
  /** Hears of each frame as it is read, while others still wait to be written. */
  onRead: (frame: DownFrame) => void = () => undefined;
  /** What operators have ruled about its user. */
  readonly removed = new Set<string>();
  readonly beginnings = new Map<string, Told>();
  readonly #outbox: Outbox;
  readonly #subscriptions: Subscriptions;
  readonly #acknowledgements: Acknowledgements;
  readonly #book: AckBook;
  readonly #onClose: () => void;
  /** What the session would keep: where each subscription began. */
  readonly starts = new Map<string, string>();
  #isClosed = false;

  constructor(options: TestClientOptions) {
    const { limits, flusher, world, capacityBytes, book } = options;
    this.#onClose = options.onClose;
    this.#acknowledgements = options.acknowledgements;
    this.#book = book;
    this.view = new ClientView(world, book);
    const onFrame = (text: string): void => this.#onFrame(JSON.parse(text) as DownFrame);
    const socket = new FakeSocket({ capacityBytes, onFrame });
    this.socket = socket;
    const outbox = new Outbox(socket, { limits, flusher }, { onOverflow: () => this.close() });
    this.#outbox = outbox;
    this.#subscriptions = new Subscriptions(options, {
      user: "alice",
      holder: book.holder,
      outbox,
      mayRead: (conversation) => !this.removed.has(conversation),
      beginning: (conversation) => this.beginnings.get(conversation),
      send: (frame) => outbox.answer(JSON.stringify(frame)),
      onSubscription: (conversation, start) => {
        if (start === undefined) this.starts.delete(conversation);
        else this.starts.set(conversation, start);
      },
    });
  }

  /** As a connect with `restore` does for what the session had. */
  restore(text: string, start: string): void {
    this.starts.set(text, start);
    this.view.expectRestored(text, start);
    void this.#subscriptions.restore(text as ConversationId, start);
  }

  /** Everything up to that position is processed. */
  ack(text: string, position: Position): void {
    const key = { user: "alice", holder: this.#book.holder, conversation: text as ConversationId };
    const confirm = this.#book.requested(text, position);
    void this.#acknowledgements.take(key, position).then(({ kind }) => {
      if (kind === "stored" && !this.#isClosed) confirm();
    });
  }

  subscribe(text: string, from: From): void {
    const id = this.view.ask("sub", text, from);
    void this.#subscriptions.subscribe({ id, conversation: text as ConversationId, from });
  }

  unsubscribe(text: string): void {
    const id = this.view.ask("unsub", text);
    void this.#subscriptions.unsubscribe({ id, conversation: text as ConversationId });
  }

  skip(text: string): void {
    const id = this.view.ask("skip", text);
    void this.#subscriptions.skip({ id, conversation: text as ConversationId });
  }

  /** What operators are told of its subscriptions. */
  report(countMax: number): ReturnType<Subscriptions["report"]> {
    return this.#subscriptions.report(countMax);
  }

  /** It holds, and what is open hears of it. */
  onRuled(text: string): void {
    this.#subscriptions.onRuled(text as ConversationId);
  }

  /** The peer reads that many bytes. */
  drain(bytes: number): void {
    this.socket.drain(bytes);
    this.#outbox.onDrain();
  }

  /** The peer reads everything, from now on. */
  flow(): void {
    this.socket.flow();
    this.#outbox.onDrain();
  }

  close(): void {
    this.#isClosed = true;
    this.#onClose();
    this.#subscriptions.end();
    this.#outbox.close();
    this.socket.close(1000);
  }

  #onFrame(frame: DownFrame): void {
    this.frames.push(frame);
    this.view.onFrame(frame);
    this.onRead(frame);
  }
}
