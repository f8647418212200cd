import { systemClock } from "@millrace/runtime";
import { TokenBucket } from "../../services/edge/src/rates/token-bucket.ts";
import { type Down, type TokenFor, Wire } from "./wire.ts";

/** A message on its way; its key says which of its sender's it is. */
export interface Outgoing {
  readonly c: string;
  readonly key: string;
  readonly body: string;
}

export interface Published extends Outgoing {
  readonly pos: string;
  /** The log's append time. */
  readonly ts: number;
  readonly ms: number;
}

export interface SenderOptions {
  readonly edges: readonly string[];
  readonly user: string;
  readonly random: () => number;
  readonly tokenFor?: TokenFor;
  readonly onPublished: (published: Published) => void;
}

const WINDOW = 32;
const RETRY_MS = 200;
const RETRYABLE = new Set(["unavailable", "rate-limited", "not-appended"]);

interface InFlight {
  readonly message: Outgoing;
  readonly sentMs: number;
}

/**
 * Publishes one user's messages in order, a window at a time, each behind the one before it in its
 * conversation. What is unanswered when the line is lost, or refused for the moment, is sent again
 * first, in the same order and with the same keys. It goes as fast as the server announces, no faster.
 */
export class Sender {
  readonly #wire: Wire;
  readonly #options: SenderOptions;
  #queue: Outgoing[] = [];
  readonly #inFlight = new Map<number, InFlight>();
  readonly #behind = new Map<string, number>();
  #refused: Outgoing[] = [];
  #nextId = 1;
  #isUp = false;
  #rate: TokenBucket | undefined;
  #pause: NodeJS.Timeout | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    const { edges, user, random, tokenFor } = options;
    const listener = {
      onOpen: (welcome: Down) => this.#opened(welcome),
      onFrame: (frame: Down) => this.#answered(frame),
      onLost: () => this.#lost(),
    };
    this.#wire = new Wire({ edges, user, random, listener, ...(tokenFor && { tokenFor }) });
  }

  get isIdle(): boolean {
    return this.#queue.length + this.#inFlight.size + this.#refused.length === 0;
  }

  publish(message: Outgoing): void {
    this.#queue.push(message);
    this.#pump();
  }

  /** Its line, as a network that goes away; it comes back by itself, on any edge. */
  drop(): void {
    this.#wire.drop();
  }

  end(): void {
    clearTimeout(this.#pause);
    this.#wire.end();
  }

  #opened({ limits }: Down): void {
    this.#isUp = true;
    // The rate is the user's: another connection does not begin anew.
    if (limits !== undefined) {
      const { publishPerSec: perSec, publishBurst: burst } = limits;
      this.#rate ??= new TokenBucket({ clock: systemClock, perSec, burst });
    }
    this.#behind.clear();
    this.#pump();
  }

  #lost(): void {
    this.#isUp = false;
    const unanswered = [...this.#inFlight.values()].map(({ message }) => message);
    this.#inFlight.clear();
    this.#queue = inOrder([...this.#refused, ...unanswered]).concat(this.#queue);
    this.#refused = [];
  }

  #pump(): void {
    // Nothing new overtakes what was refused.
    if (!this.#isUp || this.#refused.length > 0) return;
    const frames: object[] = [];
    while (this.#inFlight.size < WINDOW && this.#queue.length > 0 && this.#mayGo()) {
      const message = this.#queue.shift();
      if (message === undefined) break;
      const id = this.#nextId++;
      const behind = this.#behind.get(message.c);
      frames.push({ t: "pub", id, ...message, ...(behind !== undefined && { behind }) });
      this.#behind.set(message.c, id);
      this.#inFlight.set(id, { message, sentMs: performance.now() });
    }
    this.#wire.send(frames);
  }

  /** Otherwise, it goes on by itself when there is room in the rate. */
  #mayGo(): boolean {
    const waitMs = this.#rate?.take() ?? 0;
    if (waitMs === 0) return true;
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.#pump(), waitMs);
    return false;
  }

  #answered(frame: Down): void {
    const inFlight = frame.id === undefined ? undefined : this.#inFlight.get(frame.id);
    if (frame.id === undefined || inFlight === undefined) return;
    this.#inFlight.delete(frame.id);
    const { message, sentMs } = inFlight;
    const { pos, ts = 0 } = frame;
    if (frame.t === "pubd" && pos !== undefined) {
      const ms = performance.now() - sentMs;
      this.#options.onPublished({ ...message, pos, ts, ms });
    } else if (RETRYABLE.has(frame.code ?? "")) this.#refused.push(message);
    else throw new Error(`a message was refused for good: ${JSON.stringify(frame)}`);
    if (this.#refused.length === 0) this.#pump();
    else if (this.#inFlight.size === 0) {
      setTimeout(() => this.#retry(), Math.max(RETRY_MS, frame.retryMs ?? 0));
    }
  }

  /** Everything behind the refused ones was refused as well, so a new chain begins. */
  #retry(): void {
    this.#queue = inOrder(this.#refused).concat(this.#queue);
    this.#refused = [];
    this.#behind.clear();
    this.#pump();
  }
}

/** Keys are numbers that count up for each sender. */
function inOrder(messages: readonly Outgoing[]): Outgoing[] {
  return messages.toSorted((a, b) => Number(a.key) - Number(b.key));
}
