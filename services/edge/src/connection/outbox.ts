import { assert } from "@millrace/runtime";
import type { Told } from "../hub/told.ts";
import type { EdgeLimits } from "../limits.ts";
import type { Flusher } from "./flusher.ts";
import type { Socket } from "./socket.ts";

/** Who a frame that moves a told position belongs to. */
export interface TellOwner {
  readonly isEnded: boolean;
  /** The socket has taken the frame. */
  taken(position: Told): void;
  /** The frame, and every later one of this owner, will not be sent. */
  discarded(): void;
}

type Item =
  | { readonly owner: undefined; readonly frame: Uint8Array }
  | { readonly owner: TellOwner; readonly frame: Uint8Array; readonly position: Told };

/**
 * What is due to one socket, in order: answers, which are never dropped, and tells (messages, gaps,
 * `live`), which can be read from the log again. All that gathers within one turn of the loop
 * leaves in one write.
 *
 * When the socket holds `bufferedBytesMax`, or refuses a frame, the outbox is *full*: nothing more
 * is sent in this flush, the tells that wait are discarded (their owners fall back to what was
 * taken), and the answers stay in their order until the socket has drained. Bounds: `dueBytesMax`
 * of tells (then full), `answerBytesMax` of answers (then `onOverflow`, and the connection ends).
 */
export class Outbox {
  readonly #socket: Socket;
  readonly #limits: EdgeLimits;
  readonly #flusher: Flusher;
  readonly #onOverflow: () => void;
  #items: Item[] = [];
  #tellBytes = 0;
  #answerBytes = 0;
  #isFull = false;
  /** The socket has refused a frame, and the kernel has taken nothing since. */
  #hasRefused = false;
  #isClosed = false;
  #waiters: (() => void)[] = [];

  constructor(options: {
    readonly socket: Socket;
    readonly limits: EdgeLimits;
    readonly flusher: Flusher;
    readonly onOverflow: () => void;
  }) {
    this.#socket = options.socket;
    this.#limits = options.limits;
    this.#flusher = options.flusher;
    this.#onOverflow = options.onOverflow;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  answer(frame: string): void {
    if (this.#isClosed) return;
    const bytes = Buffer.from(frame);
    this.#items.push({ owner: undefined, frame: bytes });
    this.#answerBytes += bytes.length;
    if (!this.#isFull) this.#flusher.due(this);
    else if (this.#answerBytes > this.#limits.answerBytesMax) this.#onOverflow();
  }

  /** False: not taken, the socket is full; the owner reads the log again once it has drained. */
  tell(owner: TellOwner, position: Told, frame: Uint8Array): boolean {
    if (this.#isFull || this.#isClosed) return false;
    if (this.#tellBytes > this.#limits.dueBytesMax) {
      this.#becomeFull();
      // Answers may wait behind the discarded tells on a socket that is not full at all.
      this.#flusher.due(this);
      return false;
    }
    this.#items.push({ owner, position, frame });
    this.#tellBytes += frame.length;
    this.#flusher.due(this);
    return true;
  }

  /** Writes what is due; called by the flusher at the end of the turn. */
  flush(): void {
    if (this.#isClosed) return;
    if (this.#items.length > 0) this.#socket.cork(() => this.#write());
    // The socket may have closed under the write.
    if (this.#isClosed) return;
    if (this.#isFull && this.#answerBytes > this.#limits.answerBytesMax) this.#onOverflow();
    else this.#wake();
  }

  /** The kernel has taken bytes. */
  onDrain(): void {
    this.#hasRefused = false;
    if (this.#isClosed || !this.#isDrained()) return;
    if (this.#items.length > 0) this.flush();
    else this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#items = [];
    this.#tellBytes = 0;
    this.#answerBytes = 0;
    this.#release();
  }

  /** Resolves when everything due has been written and the socket has room, or it has closed. */
  whenWritable(): Promise<void> {
    if (this.#isClosed || this.#isWritable()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #isWritable(): boolean {
    return this.#items.length === 0 && this.#isDrained();
  }

  /** A refusal counts more than the amount: what it refused would be offered again at once. */
  #isDrained(): boolean {
    if (this.#hasRefused) return false;
    return this.#socket.bufferedBytes() <= this.#limits.bufferedBytesLow;
  }

  #write(): void {
    const items = this.#items;
    let sent = 0;
    while (sent < items.length && !this.#isClosed) {
      if (this.#socket.bufferedBytes() >= this.#limits.bufferedBytesMax) break;
      const item = items[sent];
      assert(item !== undefined, "an index below the length");
      if (!this.#send(item)) break;
      sent += 1;
    }
    if (this.#isClosed) return;
    this.#items = items.slice(sent);
    if (this.#items.length > 0) this.#becomeFull();
    else this.#tellBytes = 0;
  }

  #send(item: Item): boolean {
    if (item.owner?.isEnded === true) return true;
    if (this.#socket.send(item.frame) === "dropped") {
      // With nothing in its buffer no drain would ever come.
      this.#hasRefused = this.#socket.bufferedBytes() > 0;
      return false;
    }
    if (item.owner === undefined) this.#answerBytes -= item.frame.length;
    else item.owner.taken(item.position);
    return true;
  }

  /** Keeps the answers, in their order; what the owners were not given they fetch again. */
  #becomeFull(): void {
    this.#isFull = true;
    const owners = new Set<TellOwner>();
    for (const item of this.#items) if (item.owner !== undefined) owners.add(item.owner);
    this.#items = this.#items.filter((item) => item.owner === undefined);
    this.#tellBytes = 0;
    for (const owner of owners) owner.discarded();
  }

  #wake(): void {
    if (!this.#isWritable()) return;
    this.#isFull = false;
    this.#release();
  }

  #release(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}
