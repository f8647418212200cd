import type { ConversationId } from "@millrace/schemas";
import type { Outbox, TellOwner } from "../connection/outbox.ts";
import type { Hub } from "./hub.ts";
import type { MessageFrame } from "./message-frame.ts";
import type { Told } from "./told.ts";

/** Whose subscription it is. */
export interface ReaderRights {
  /** What stands before it is not the user's to read; undefined: all is. Asked anew each time. */
  beginning(conversation: ConversationId): Told | undefined;
}

/** `lagging` is `catching-up` once more: both read the log from `told` until they may join. */
export type SubscriberState = "catching-up" | "live" | "ended";

/**
 * One (connection, conversation). It keeps two positions: `told`, up to which the socket has taken
 * every frame, and `queued`, where `told` will be once the outbox has been written. `told` moves
 * only when a frame was taken; when the outbox discards what waits, `queued` falls back to it and
 * the subscriber reads the log again from there. So nothing is lost to a full socket, and nothing
 * sent twice.
 */
export class Subscriber implements TellOwner {
  readonly conversation: ConversationId;
  readonly #outbox: Outbox;
  readonly #rights: ReaderRights | undefined;
  readonly #onLag: (subscriber: Subscriber) => void;
  #state: SubscriberState = "catching-up";
  #hub: Hub | undefined;
  #told: Told;
  #queued: Told;
  #rewinds = 0;
  #isSkipping = false;

  constructor(options: {
    readonly conversation: ConversationId;
    readonly start: Told;
    /** Without it everything is the user's to read. */
    readonly rights?: ReaderRights;
    readonly outbox: Outbox;
    /** Called when it has fallen out of the live set and must catch up from `told`. */
    readonly onLag: (subscriber: Subscriber) => void;
  }) {
    this.conversation = options.conversation;
    this.#outbox = options.outbox;
    this.#rights = options.rights;
    this.#onLag = options.onLag;
    this.#told = options.start;
    this.#queued = options.start;
  }

  get state(): SubscriberState {
    return this.#state;
  }

  get told(): Told {
    return this.#told;
  }

  /** What `prev` of the next frame must be. */
  get queued(): Told {
    return this.#queued;
  }

  /** How often `queued` fell back; a catch-up that sees it change reads from `told` again. */
  get rewinds(): number {
    return this.#rewinds;
  }

  get hub(): Hub | undefined {
    return this.#hub;
  }

  /** Where the rights of now begin. */
  get beginning(): Told | undefined {
    return this.#rights?.beginning(this.conversation);
  }

  get isEnded(): boolean {
    return this.#state === "ended";
  }

  /** The client asked to jump to live, and has not been told the gap yet. */
  get isSkipping(): boolean {
    return this.#isSkipping;
  }

  /** What is missed is given up; a live subscriber has nothing to skip. */
  skip(): void {
    this.#isSkipping = this.#state === "catching-up";
  }

  skipped(): void {
    this.#isSkipping = false;
  }

  /** The hub it will join, held from now on. */
  attach(hub: Hub): void {
    hub.hold();
    this.#hub = hub;
  }

  detach(): Hub | undefined {
    const hub = this.#hub;
    hub?.release(this);
    this.#hub = undefined;
    return hub;
  }

  /** Everything up to the hub's last position is queued: from here on as it happens. */
  join(hub: Hub): void {
    this.#state = "live";
    hub.join(this);
  }

  end(): void {
    this.#state = "ended";
  }

  /** A live message; `prev` and `shared` are the hub's, fixed before the first receiver's turn. */
  offer(message: MessageFrame, prev: Told, shared: Uint8Array): void {
    // Nearly always it is the very object that the last message left there.
    if (this.#queued === prev) return void this.tell(message.told, shared);
    if (message.told.offset <= this.#queued.offset) return;
    const isInStep = this.#queued.text === prev.text;
    this.tell(message.told, isInStep ? shared : message.encode(this.#queued.text));
  }

  /** Queues a frame that moves the told position; false when the socket can take nothing now. */
  tell(position: Told, frame: Uint8Array): boolean {
    this.#queued = position;
    if (this.#outbox.tell(this, position, frame)) return true;
    this.discarded();
    return false;
  }

  taken(position: Told): void {
    this.#told = position;
  }

  discarded(): void {
    this.#queued = this.#told;
    this.#rewinds += 1;
    if (this.#state === "live") this.fallBehind();
  }

  /** Leaves the live set and reads the log from `told`: the one answer to every kind of break. */
  fallBehind(): void {
    if (this.#state === "ended") return;
    this.#state = "catching-up";
    this.#hub?.leave(this);
    this.#onLag(this);
  }
}
