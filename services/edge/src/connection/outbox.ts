import { assert } from "@millrace/runtime";
import { BATCH_FRAMES_MAX } from "@millrace/schemas";
import type { Told } from "../hub/told.ts";
import type { EdgeLimits } from "../limits.ts";
import type { Flusher } from "./flusher.ts";
import type { SendOutcome, Socket } from "./socket.ts";

/** Who a frame that moves a told position belongs to. */
export interface TellOwner {
  readonly isEnded: boolean;
  /** The socket has taken the frame. */
  taken(position: Told): void;
  /** The frame, and every later one of this owner, will not be sent. */
  discarded(): void;
}

export interface OutboxOwner {
  /** Too many answers wait for a full socket. */
  onOverflow(): void;
}

type Item =
  | { readonly owner: undefined; readonly frame: Uint8Array }
  | { readonly owner: TellOwner; readonly frame: Uint8Array; readonly position: Told };

/** A batch from the server: docs/protocol.md §2. */
const BATCH_BYTES_MAX = 65_536;
const BRACKETS_BYTES = 2;

const OPEN = 0x5b;
const COMMA = 0x2c;
const CLOSE = 0x5d;
const NOTHING = new Uint8Array();

/** Where batches are put together: the socket has copied one when `send` returns. */
const scratch = Buffer.allocUnsafe(BATCH_BYTES_MAX + BRACKETS_BYTES);

/** What stands in the scratch, and of which frames it was made. */
interface Batch {
  readonly frames: readonly Uint8Array[];
  readonly bytes: Uint8Array;
}

const NO_BATCH: Batch = { frames: [], bytes: NOTHING };
let lastBatch = NO_BATCH;

/**
 * What is due to one socket, in order: answers, which are never dropped, and tells (messages, gaps,
 * `live`), which can be read from the log again. All that gathers within one turn of the loop
 * leaves in one write, and the tells beside each other in it as one batch: a call of
 * `send` costs more than its bytes.
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
  readonly #owner: OutboxOwner;
  #items: Item[] = [];
  #tellBytes = 0;
  #answerBytes = 0;
  /** The flusher has it. */
  #isDue = false;
  #isFull = false;
  #timesFull = 0;
  #sentBytes = 0;
  /** The socket has refused a frame, and the kernel has taken nothing since. */
  #hasRefused = false;
  #isClosed = false;
  #waiters: (() => void)[] | undefined;

  constructor(
    socket: Socket,
    { limits, flusher }: { readonly limits: EdgeLimits; readonly flusher: Flusher },
    owner: OutboxOwner,
  ) {
    this.#socket = socket;
    this.#limits = limits;
    this.#flusher = flusher;
    this.#owner = owner;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** All that the socket has taken. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** What waits here because the socket takes nothing, or because the turn is not over. */
  get waitingBytes(): number {
    return this.#tellBytes + this.#answerBytes;
  }

  /** How often tells were given back. */
  get timesFull(): number {
    return this.#timesFull;
  }

  /** Everything due has been written, and the socket has room. */
  get isWritable(): boolean {
    return this.#items.length === 0 && this.#isDrained();
  }

  answer(frame: string): void {
    if (this.#isClosed) return;
    const bytes = Buffer.from(frame);
    this.#items.push({ owner: undefined, frame: bytes });
    this.#answerBytes += bytes.length;
    if (!this.#isFull) this.#becomeDue();
    else if (this.#answerBytes > this.#limits.answerBytesMax) this.#owner.onOverflow();
  }

  /** False: not taken, the socket is full; the owner reads the log again once it has drained. */
  tell(owner: TellOwner, position: Told, frame: Uint8Array): boolean {
    if (this.#isFull || this.#isClosed) return false;
    if (this.#tellBytes > this.#limits.dueBytesMax) {
      this.#becomeFull();
      // Answers may wait behind the discarded tells on a socket that is not full at all.
      this.#becomeDue();
      return false;
    }
    this.#items.push({ owner, position, frame });
    this.#tellBytes += frame.length;
    this.#becomeDue();
    return true;
  }

  #becomeDue(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#flusher.due(this);
  }

  /** Writes what is due; called by the flusher at the end of the turn. */
  flush(): void {
    this.#isDue = false;
    if (this.#isClosed) return;
    // One frame leaves in one write anyway.
    if (this.#items.length === 1) this.write();
    else if (this.#items.length > 1) this.#socket.cork(this);
    // The socket may have closed under the write.
    if (this.#isClosed) return;
    if (this.#isFull && this.#answerBytes > this.#limits.answerBytesMax) this.#owner.onOverflow();
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
    if (this.#isClosed || this.isWritable) return Promise.resolve();
    return new Promise((resolve) => (this.#waiters ??= []).push(resolve));
  }

  /** A refusal counts more than the amount: what it refused would be offered again at once. */
  #isDrained(): boolean {
    if (this.#hasRefused) return false;
    return this.#socket.bufferedBytes() <= this.#limits.bufferedBytesLow;
  }

  /** Called by the socket, inside its cork. */
  write(): void {
    const items = this.#items;
    let sent = 0;
    let room = this.#room();
    while (sent < items.length && room > 0 && !this.#isClosed) {
      let end = runEnd(items, sent, room);
      let outcome = this.#sendRun(items, sent, end);
      if (outcome === "dropped" && end - sent > 1) {
        // What is too much together may go in parts.
        end = sent + 1;
        outcome = this.#sendRun(items, sent, end);
      }
      if (outcome === "dropped") break;
      sent = end;
      // What the kernel has taken at once takes no room.
      if (outcome === "buffered") room = this.#room();
    }
    if (this.#isClosed) return;
    if (sent < items.length) {
      this.#items = items.slice(sent);
      this.#becomeFull();
    } else {
      items.length = 0;
      this.#tellBytes = 0;
    }
  }

  #room(): number {
    return this.#limits.bufferedBytesMax - this.#socket.bufferedBytes();
  }

  #sendRun(items: readonly Item[], start: number, end: number): SendOutcome {
    const first = items[start];
    assert(first !== undefined, "a run has an item");
    const isAlone = end - start === 1 && first.owner?.isEnded !== true;
    const bytes = isAlone ? first.frame : batchOf(items, start, end);
    if (bytes.length === 0) return "sent";
    const outcome = this.#socket.send(bytes);
    if (outcome === "dropped") {
      // With nothing in its buffer no drain would ever come.
      this.#hasRefused = this.#socket.bufferedBytes() > 0;
      return outcome;
    }
    this.#sentBytes += bytes.length;
    for (let index = start; index < end; index++) {
      const item = items[index];
      if (item === undefined) continue;
      if (item.owner === undefined) this.#answerBytes -= item.frame.length;
      else if (!item.owner.isEnded) item.owner.taken(item.position);
    }
    return outcome;
  }

  /** Keeps the answers, in their order; what the owners were not given they fetch again. */
  #becomeFull(): void {
    this.#isFull = true;
    this.#timesFull += 1;
    const owners = new Set<TellOwner>();
    for (const item of this.#items) if (item.owner !== undefined) owners.add(item.owner);
    this.#items = this.#items.filter((item) => item.owner === undefined);
    this.#tellBytes = 0;
    for (const owner of owners) owner.discarded();
  }

  #wake(): void {
    if (!this.isWritable) return;
    this.#isFull = false;
    this.#release();
  }

  #release(): void {
    const waiters = this.#waiters;
    this.#waiters = undefined;
    for (const resolve of waiters ?? []) resolve();
  }
}

/**
 * Where the run of items ends that leave as one message: tells beside each other, as many as there
 * is room for. An answer leaves alone, and so does a tell whose neighbours are answers.
 */
function runEnd(items: readonly Item[], start: number, room: number): number {
  let end = start + 1;
  if (items[start]?.owner === undefined) return end;
  const bytesMax = Math.min(room, BATCH_BYTES_MAX);
  let bytes = BRACKETS_BYTES + (items[start]?.frame.length ?? 0);
  for (; end < items.length && end - start < BATCH_FRAMES_MAX; end++) {
    const item = items[end];
    if (item?.owner === undefined) break;
    bytes += 1 + item.frame.length;
    if (bytes > bytesMax) break;
  }
  return end;
}

/**
 * A JSON array of the frames whose owner still wants them; valid until the next call. Those who
 * listen to one conversation get the same batch one after the other: it is put together once.
 */
function batchOf(items: readonly Item[], start: number, end: number): Uint8Array {
  if (isLastBatch(items, start, end)) return lastBatch.bytes;
  const bytes = composedBatch(items, start, end);
  const run = items.slice(start, end);
  const isShared = run.every(({ owner }) => owner?.isEnded !== true);
  lastBatch = isShared ? { frames: run.map(({ frame }) => frame), bytes } : NO_BATCH;
  return bytes;
}

function isLastBatch(items: readonly Item[], start: number, end: number): boolean {
  const { frames } = lastBatch;
  if (frames.length !== end - start) return false;
  for (let index = start; index < end; index++) {
    const item = items[index];
    if (item?.frame !== frames[index - start] || item?.owner?.isEnded === true) return false;
  }
  return true;
}

function composedBatch(items: readonly Item[], start: number, end: number): Uint8Array {
  let at = 0;
  let frames = 0;
  for (let index = start; index < end; index++) {
    const item = items[index];
    if (item === undefined || item.owner?.isEnded === true) continue;
    scratch[at] = frames === 0 ? OPEN : COMMA;
    scratch.set(item.frame, at + 1);
    at += 1 + item.frame.length;
    frames += 1;
  }
  if (frames < 2) return frames === 0 ? NOTHING : scratch.subarray(1, at);
  scratch[at] = CLOSE;
  return scratch.subarray(0, at + 1);
}
