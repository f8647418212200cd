import type { ConversationId } from "@millrace/schemas";
import type { MessageFrame } from "./message-frame.ts";
import type { Subscriber } from "./subscriber.ts";
import type { Told } from "./told.ts";

/**
 * One conversation on this edge, for as long as it has subscribers.
 *
 * Invariant: every message of the conversation before `last` has been handed to each live
 * subscriber's outbox, and every one from `last` on will come through `deliver`. That holds because
 * `last` begins as the tail's position at creation, moves only with a delivered message, and the
 * hub is destroyed with its last member: a position nobody kept up to date is never joined.
 *
 * JavaScript runs `join` and `deliver` to their end, so a subscriber that has read up to `last` and
 * joins in the same step can neither miss a message nor be handed one twice.
 */
export class Hub {
  readonly conversation: ConversationId;
  readonly partition: number;
  readonly #live = new Set<Subscriber>();
  #last: Told;
  #members = 0;

  constructor(conversation: ConversationId, start: Told) {
    this.conversation = conversation;
    this.partition = start.partition;
    this.#last = start;
  }

  /** Everything of the conversation before it has been handed on. */
  get last(): Told {
    return this.#last;
  }

  get members(): number {
    return this.#members;
  }

  get live(): ReadonlySet<Subscriber> {
    return this.#live;
  }

  /** A subscriber that is catching up holds the hub, so that its `last` stays true meanwhile. */
  hold(): void {
    this.#members += 1;
  }

  release(subscriber: Subscriber): void {
    this.#live.delete(subscriber);
    this.#members -= 1;
  }

  join(subscriber: Subscriber): void {
    this.#live.add(subscriber);
  }

  leave(subscriber: Subscriber): void {
    this.#live.delete(subscriber);
  }

  /** The next message; `frame` is asked for only where somebody will see it. */
  deliver(position: Told, frame: () => MessageFrame | undefined): number {
    if (position.offset <= this.#last.offset) return 0;
    if (this.#live.size === 0) {
      this.#last = position;
      return 0;
    }
    const message = frame();
    // An undecodable record is no message: continuity steps over it.
    if (message === undefined) return 0;
    const prev = this.#last;
    this.#last = position;
    const shared = message.encode(prev.text);
    const receivers = this.#live.size;
    for (const subscriber of this.#live) subscriber.offer(message, prev, shared);
    return receivers;
  }
}
