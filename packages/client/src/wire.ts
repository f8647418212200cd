import {
  type AnnouncedLimits,
  BATCH_FRAMES_MAX,
  type DownFrame,
  type WelcomeFrame,
  utf8Length,
} from "@millrace/schemas";
import type { Connection } from "./connection.ts";
import type { CancellableTimer, MonotonicClock } from "./environment.ts";
import { Pace } from "./pace.ts";

/** What the server answers to a request: the named reply, or `err`. */
export type Answer = (frame: DownFrame) => void;

/**
 * Of what the server lets a connection send (docs/protocol.md §6): it may reach the server faster
 * than it left, and pings come on top. The burst is that of so many seconds.
 */
const FRAMES_SHARE = 0.8;
const BURST_SECONDS = 2;

/**
 * The frames of the current connection: what one turn produces leaves as one batch, and an answer
 * finds whoever asked. With the connection all its requests are forgotten: who wants one again
 * asks again. A connection that sends as fast as it may sends the rest later, in the same order.
 */
export class Wire {
  readonly #clock: MonotonicClock;
  #connection: Connection | undefined;
  #limits: AnnouncedLimits | undefined;
  #answers = new Map<number, Answer>();
  #outgoing: string[] = [];
  #nextId = 1;
  #pace: Pace | undefined;
  #timer: CancellableTimer | undefined;

  constructor(clock: MonotonicClock) {
    this.#clock = clock;
  }

  get isUp(): boolean {
    return this.#connection !== undefined;
  }

  /** Those of the newest welcome; undefined before the first. */
  get limits(): AnnouncedLimits | undefined {
    return this.#limits;
  }

  attach(connection: Connection, { limits }: WelcomeFrame): void {
    this.detach();
    this.#connection = connection;
    this.#limits = limits;
    const perSec = limits.framesPerSec * FRAMES_SHARE;
    this.#pace = new Pace(this.#clock, { perSec, burst: perSec * BURST_SECONDS });
  }

  detach(): void {
    this.#connection = undefined;
    this.#answers = new Map();
    this.#outgoing = [];
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#nextId = 1;
  }

  /** Sends a frame with an id of its own, and returns the id. Only while the line is up. */
  request(frame: object, answer: Answer): number {
    const id = this.#nextId++;
    this.#answers.set(id, answer);
    this.post({ ...frame, id });
    return id;
  }

  /** Sends a frame that gets no answer. While the line is down it goes nowhere. */
  post(frame: object): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (this.#outgoing.push(JSON.stringify(frame)) > 1) return;
    queueMicrotask(() => {
      if (connection === this.#connection) this.flush();
    });
  }

  flush(): void {
    const connection = this.#connection;
    const outgoing = this.#outgoing.splice(0, this.#mayGo());
    if (connection === undefined) return;
    for (const batch of batchesOf(outgoing, this.#limits?.frameBytes ?? Infinity)) {
      connection.send(batch.length === 1 ? (batch[0] ?? "") : `[${batch.join(",")}]`);
    }
  }

  /** How many of those that wait; the rest has a time of its own. */
  #mayGo(): number {
    for (let count = 0; count < this.#outgoing.length; count++) {
      const waitMs = this.#pace?.waitMs() ?? 0;
      if (waitMs > 0) {
        this.#timer?.cancel();
        this.#timer = this.#clock.after(waitMs, () => this.flush());
        return count;
      }
      this.#pace?.spend();
    }
    return this.#outgoing.length;
  }

  /** Hands an answer to whoever asked; false when the frame is none. */
  answered(frame: DownFrame): boolean {
    if (!("id" in frame) || typeof frame.id !== "number" || frame.t === "pong") return false;
    const answer = this.#answers.get(frame.id);
    if (answer === undefined) return false;
    this.#answers.delete(frame.id);
    answer(frame);
    return true;
  }
}

function* batchesOf(frames: readonly string[], bytesMax: number): Iterable<readonly string[]> {
  let batch: string[] = [];
  let bytes = 2;
  for (const frame of frames) {
    const more = utf8Length(frame) + 1;
    if (batch.length > 0 && (bytes + more > bytesMax || batch.length >= BATCH_FRAMES_MAX)) {
      yield batch;
      batch = [];
      bytes = 2;
    }
    batch.push(frame);
    bytes += more;
  }
  if (batch.length > 0) yield batch;
}
