import { type Stored, offsetOf } from "./evidence.ts";

/**
 * The messages of one conversation that were read from the topic and that some receiver has not
 * passed yet. Indexes count from the first message that was ever put in.
 */
export class ConversationWindow {
  #messages: Stored[] = [];
  #base = 0;
  /** Nothing up to there can be judged any more. */
  #droppedTo = 0n;

  get end(): number {
    return this.#base + this.#messages.length;
  }

  get droppedTo(): bigint {
    return this.#droppedTo;
  }

  push(message: Stored): void {
    this.#messages.push(message);
  }

  at(index: number): Stored | undefined {
    return this.#messages[index - this.#base];
  }

  /** A message that nobody here is told of. */
  skip(message: Stored): void {
    this.push(message);
    this.dropBefore(this.end);
  }

  /** Where the first message behind that offset is, or will be. */
  indexBehind(offset: bigint): number {
    let low = 0;
    let high = this.#messages.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const message = this.#messages[middle];
      if (message !== undefined && offsetOf(message.pos) <= offset) low = middle + 1;
      else high = middle;
    }
    return this.#base + low;
  }

  dropBefore(index: number): void {
    const count = Math.min(index - this.#base, this.#messages.length);
    const last = this.#messages[count - 1];
    if (count <= 0 || last === undefined) return;
    this.#droppedTo = offsetOf(last.pos);
    this.#messages = this.#messages.slice(count);
    this.#base += count;
  }
}
