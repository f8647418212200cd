import { type WriteStream, createWriteStream } from "node:fs";
import { type Down, type TokenFor, Wire } from "./wire.ts";

export interface ReceiverOptions {
  readonly edges: readonly string[];
  readonly user: string;
  readonly conversations: readonly string[];
  readonly random: () => number;
  readonly tokenFor?: TokenFor;
  /** NDJSON: every frame that tells something of a conversation. */
  readonly file: string;
  readonly onMessage?: (message: Down) => void;
}

/**
 * Follows conversations from now on, and writes down what it was told. After a loss
 * it goes on behind the end of the unbroken run; a frame that does not continue it is written down
 * as it came, for the judge to see.
 */
export class Receiver {
  readonly #wire: Wire;
  readonly #log: WriteStream;
  readonly #told = new Map<string, string>();
  readonly #conversations: readonly string[];
  readonly #subscribing = new Map<number, string>();
  readonly #onMessage: ((message: Down) => void) | undefined;
  #nextId = 1;
  received = 0;
  /** By the wall clock, since when it has its present line. */
  upSinceMs = 0;

  constructor(options: ReceiverOptions) {
    this.#conversations = options.conversations;
    this.#log = createWriteStream(options.file);
    this.#onMessage = options.onMessage;
    const { edges, user, random, tokenFor } = options;
    const listener = {
      onOpen: () => {
        this.upSinceMs = Date.now();
        this.#subscribe(this.#conversations);
      },
      onFrame: (frame: Down) => this.#take(frame),
      onLost: () => this.#subscribing.clear(),
    };
    this.#wire = new Wire({ edges, user, random, listener, ...(tokenFor && { tokenFor }) });
  }

  /** It knows where each of its conversations begins. */
  get isReady(): boolean {
    return this.#told.size === this.#conversations.length;
  }

  /** The last one it was told. */
  position(conversation: string): string | undefined {
    return this.#told.get(conversation);
  }

  /** It comes back by itself, on any edge. */
  drop(): void {
    this.#wire.drop();
  }

  /** It reads nothing any more, until it is told to. */
  pause(): void {
    this.#wire.pause();
  }

  resume(): void {
    this.#wire.resume();
  }

  async end(): Promise<void> {
    this.#wire.end();
    await new Promise<void>((resolve) => this.#log.end(() => resolve()));
  }

  #subscribe(conversations: readonly string[]): void {
    const frames = conversations.map((c) => {
      const id = this.#nextId++;
      this.#subscribing.set(id, c);
      const told = this.#told.get(c);
      return { t: "sub", id, c, from: told === undefined ? "live" : { after: told } };
    });
    this.#wire.send(frames);
  }

  #take(frame: Down): void {
    const { t, id, c, pos } = frame;
    if (t === "err") return this.#refused(frame);
    if (c === undefined || pos === undefined) return;
    if (t === "subd" && id !== undefined) this.#subscribing.delete(id);
    if (t === "msg") {
      this.received++;
      this.#onMessage?.(frame);
    }
    this.#told.set(c, pos);
    this.#log.write(`${JSON.stringify(frame)}\n`);
  }

  #refused({ id, retryMs = 500 }: Down): void {
    const c = id === undefined ? undefined : this.#subscribing.get(id);
    if (c === undefined || id === undefined) return;
    this.#subscribing.delete(id);
    setTimeout(() => this.#subscribe([c]), retryMs);
  }
}
