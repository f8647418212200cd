import { must } from "@millrace/runtime";
import type {
  DownFrame,
  From,
  GapFrame,
  LiveFrame,
  MsgFrame,
  Position,
  SubdFrame,
} from "@millrace/schemas";
import type { AckBook } from "./ack-book.ts";
import { type MessageArchive, positionOf } from "./message-archive.ts";

/** What a client knows of one subscription. */
export interface Delivery {
  /** The last position told: what the next frame's `prev` or `after` must be. */
  told: string;
  isLive: boolean;
  readonly messages: string[];
}

/** What is known of the world when a request is made or a frame is judged. */
export interface WorldView {
  readonly archive: MessageArchive;
  readonly epoch: () => string;
  readonly wallMs: () => number;
  readonly partition: (conversation: string) => number;
  /** Offsets that the log has in the conversation's partition. */
  readonly bounds: (conversation: string) => { readonly start: bigint; readonly end: bigint };
}

interface Request {
  readonly t: "sub" | "unsub" | "skip";
  readonly conversation: string;
  readonly from?: From;
  /** The end of the log when it was made. */
  readonly end: bigint;
  readonly epoch: string;
  /** The log's time when it was made. */
  readonly atMs: number;
  /** What was said to be acknowledged by then. */
  readonly confirmed: Position | undefined;
}

/**
 * A client that trusts nothing: judges every frame by docs/protocol.md §4 and §6 as it comes, and
 * throws at the first that breaks a promise. Nothing missing: between two positions told, the log
 * has no message of the conversation. Nothing twice: positions rise. Nothing foreign: what comes
 * stands in the log at its position.
 */
export class ClientView {
  readonly #world: WorldView;
  readonly #book: AckBook;
  /** What the session's former connection had, and where it had begun. */
  readonly #restored = new Map<string, { start: string; confirmed: Position | undefined }>();
  readonly #requests = new Map<number, Request>();
  readonly #deliveries = new Map<string, Delivery>();
  /** Every position told, for later resumes. */
  readonly #positions = new Map<string, string[]>();
  readonly #skips = new Set<string>();
  #nextId = 1;

  constructor(world: WorldView, book: AckBook) {
    this.#world = world;
    this.#book = book;
  }

  get openRequests(): number {
    return this.#requests.size;
  }

  get deliveries(): ReadonlyMap<string, Delivery> {
    return this.#deliveries;
  }

  /** Positions of that conversation that were told, on whatever subscription. */
  positions(conversation: string): readonly string[] {
    return this.#positions.get(conversation) ?? [];
  }

  /** The id of a request that is about to be made. */
  ask(t: Request["t"], conversation: string, from?: From): number {
    const id = this.#nextId++;
    const { end } = this.#world.bounds(conversation);
    const [epoch, atMs] = [this.#world.epoch(), this.#world.wallMs()];
    const confirmed = this.#book.confirmed(conversation);
    const known = { conversation, end, epoch, atMs, confirmed };
    this.#requests.set(id, { t, ...known, ...(from && { from }) });
    return id;
  }

  /** The server is about to bring back a subscription that had begun there. */
  expectRestored(conversation: string, start: string): void {
    this.#restored.set(conversation, { start, confirmed: this.#book.confirmed(conversation) });
  }

  onFrame(frame: DownFrame): void {
    switch (frame.t) {
      case "subd":
        return this.#onSubd(frame);
      case "msg":
        return this.#onMessage(frame);
      case "gap":
        return this.#onGap(frame);
      case "live":
        return this.#onLive(frame);
      case "unsubd":
        if (frame.code !== "forbidden") this.#answered(frame.id, "unsub");
        this.#deliveries.delete(frame.c);
        return;
      case "skipd":
        this.#answered(frame.id, "skip");
        this.#skips.add(frame.c);
        return;
      case "err":
        if (frame.id === undefined && frame.c !== undefined) this.#restored.delete(frame.c);
        else this.#answered(frame.id);
        return;
      case "ackd":
      case "authd":
      case "expiring":
      case "goaway":
      case "pong":
      case "pubd":
      case "welcome":
        throw new Error(`nobody asked for a ${frame.t}`);
    }
  }

  /** Nothing is on its way to it, as far as it knows. */
  get hasArrived(): boolean {
    const isOpen = this.#requests.size + this.#restored.size > 0;
    return !isOpen && [...this.#deliveries.values()].every(({ isLive }) => isLive);
  }

  /** At rest every subscription has arrived at the end, and says so. */
  expectArrived(): void {
    const { archive, epoch } = this.#world;
    if (this.#requests.size > 0) throw new Error(`${this.#requests.size} requests unanswered`);
    if (this.#restored.size > 0) throw new Error(`${this.#restored.size} not restored`);
    for (const [conversation, { told, isLive }] of this.#deliveries) {
      const position = positionOf(told);
      if (!isLive) throw new Error(`${conversation} is not live, at ${told}`);
      if (position.epoch !== epoch()) throw new Error(`${conversation} is left at ${told}`);
      const missing = archive.between(conversation, position, 2n ** 63n);
      if (missing.length > 0) throw new Error(`${conversation} ends ${missing.length} too early`);
    }
  }

  /** Requests of one conversation are answered in the order asked, each once. */
  #answered(answerId: number | undefined, t?: Request["t"]): Request {
    const id = must(answerId, "an answer's id");
    const request = this.#requests.get(id);
    if (request === undefined) throw new Error(`${id} is answered twice`);
    if (t !== undefined && request.t !== t) throw new Error(`a ${request.t} is answered as ${t}`);
    for (const [other, { conversation }] of this.#requests) {
      if (other === id) break;
      if (conversation === request.conversation) throw new Error(`${id} overtakes ${other}`);
    }
    this.#requests.delete(id);
    return request;
  }

  #onSubd({ id, c, pos, head, restored }: SubdFrame): void {
    positionOf(head);
    if (restored === true) this.#onRestored(c, pos);
    else {
      const request = this.#answered(id, "sub");
      if (request.conversation !== c) throw new Error(`subd of ${c}, not ${request.conversation}`);
      this.#judgeStart(request, pos);
    }
    this.#deliveries.set(c, { told: pos, isLive: false, messages: [] });
    this.#skips.delete(c);
    this.#remember(c, pos);
  }

  #onRestored(conversation: string, pos: string): void {
    const restored = this.#restored.get(conversation);
    if (restored === undefined) throw new Error(`${conversation} is restored and was not to be`);
    this.#restored.delete(conversation);
    const { start, confirmed } = restored;
    if (!this.#book.hasAny(conversation)) {
      if (pos !== start) throw new Error(`${conversation} restored at ${pos}, not ${start}`);
    } else this.#book.judge(conversation, pos, confirmed);
  }

  #judgeStart(request: Request, pos: string): void {
    const { from, conversation, end, epoch, atMs } = request;
    const position = positionOf(pos);
    if (from?.kind === "acked" && this.#book.hasAny(conversation)) {
      return this.#book.judge(conversation, pos, request.confirmed);
    }
    if (from?.kind === "after" && pos !== from.text) throw new Error(`${pos}, not ${from.text}`);
    if (position.epoch !== this.#world.epoch()) return;
    const partition = this.#world.partition(conversation);
    if (from?.kind !== "after" && position.partition !== partition) {
      throw new Error(`${conversation} begins at ${pos}, in another partition than ${partition}`);
    }
    const { start } = this.#world.bounds(conversation);
    // Retention may have passed what the partition held when it was reached late.
    const latest = end > start ? end : start;
    const isFromNow =
      from?.kind === "live" ||
      from?.kind === "acked" ||
      (from?.kind === "time" && from.timeMs > atMs);
    if (isFromNow && position.epoch === epoch && position.offset > latest) {
      throw new Error(`${from.kind} begins at ${pos}, behind the end ${end}`);
    }
    const kept = { ...position, offset: start };
    const earlier = this.#world.archive.between(conversation, kept, position.offset);
    const before = earlier.length;
    const since = this.#world.archive.between(conversation, position, 2n ** 63n).length;
    if (from?.kind === "earliest" && before > 0) throw new Error(`${before} are earlier`);
    if (from?.kind === "time" && earlier.some(({ timestampMs }) => timestampMs >= from.timeMs)) {
      throw new Error(`${pos} is behind a message since ${from.timeMs}`);
    }
    if (from?.kind === "last" && before > 0 && since < from.count) {
      throw new Error(`${since} of the newest ${from.count} only`);
    }
  }

  #onMessage({ c, pos, prev, id, ts }: MsgFrame): void {
    const delivery = this.#move(c, prev, pos);
    const message = this.#world.archive.at(positionOf(pos));
    if (message?.conversation !== c) throw new Error(`${c} has no message at ${pos}`);
    if (message.id !== id) throw new Error(`${id} at ${pos} is another message`);
    if (message.timestampMs !== ts) throw new Error(`${pos} has another time`);
    const { offset } = positionOf(pos);
    this.#expectNoneBetween(c, prev, offset - 1n);
    if (offset <= positionOf(prev).offset) throw new Error(`${pos} behind ${prev}`);
    delivery.messages.push(id);
  }

  #onLive({ c, pos }: LiveFrame): void {
    const { told } = this.#subscription(c);
    const [from, to] = [positionOf(told), positionOf(pos)];
    if (from.epoch !== to.epoch) throw new Error(`live at ${pos}, told ${told}`);
    if (to.offset < from.offset) throw new Error(`live goes back from ${told} to ${pos}`);
    const { end } = this.#world.bounds(c);
    const isPresent = to.epoch === this.#world.epoch();
    if (isPresent && to.offset > end) throw new Error(`live at ${pos}, beyond the end ${end}`);
    this.#expectNoneBetween(c, told, to.offset);
    this.#move(c, told, pos).isLive = true;
    // Whoever is live has nothing left to skip.
    this.#skips.delete(c);
  }

  #onGap({ c, after, pos, reason, missed }: GapFrame): void {
    const [from, to] = [positionOf(after), positionOf(pos)];
    const { start } = this.#world.bounds(c);
    const isSame = from.epoch === to.epoch;
    const isTrue =
      (reason === "recreated" && (!isSame || from.partition !== to.partition)) ||
      (reason === "forbidden" && isSame && from.offset < to.offset) ||
      (reason === "expired" && isSame && from.offset < to.offset && to.offset <= start) ||
      (reason === "skipped" && this.#skips.has(c) && (!isSame || from.offset < to.offset)) ||
      (reason === "truncated" && isSame && from.offset > to.offset);
    // A bound of the present says nothing about an incarnation that is gone.
    const isPast = to.epoch !== this.#world.epoch();
    if (!isTrue && !isPast) throw new Error(`gap ${reason} from ${after} to ${pos}`);
    const lost = this.#world.archive.between(c, from, to.offset).length;
    if (missed === 0) throw new Error(`gap ${reason} from ${after} to ${pos} of no message`);
    if (missed !== null && isSame && missed !== lost)
      throw new Error(`${missed}, not ${lost} missed`);
    if (reason === "skipped") this.#skips.delete(c);
    this.#move(c, after, pos).isLive = false;
  }

  #subscription(conversation: string): Delivery {
    const delivery = this.#deliveries.get(conversation);
    if (delivery === undefined) throw new Error(`${conversation} is not subscribed`);
    return delivery;
  }

  /** Continuity: the frame stands on the last position told, as text. */
  #move(conversation: string, from: string, to: string): Delivery {
    const delivery = this.#subscription(conversation);
    if (delivery.told !== from)
      throw new Error(`${from} follows ${delivery.told} in ${conversation}`);
    delivery.told = to;
    this.#remember(conversation, to);
    return delivery;
  }

  #expectNoneBetween(conversation: string, from: string, to: bigint): void {
    const missing = this.#world.archive.between(conversation, positionOf(from), to);
    if (missing.length > 0) throw new Error(`${missing.length} of ${conversation} behind ${from}`);
  }

  #remember(conversation: string, position: string): void {
    const positions = this.#positions.get(conversation) ?? [];
    positions.push(position);
    this.#positions.set(conversation, positions);
  }
}
