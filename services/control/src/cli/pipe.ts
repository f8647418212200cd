import { jsonFor } from "./paint.ts";
import type { Output } from "./surroundings.ts";

/** What is written line by line, as fast as its reader takes it. */
export class Pipe {
  readonly #output: Output;
  readonly #onGone: () => void;
  /** Until there is room, or nobody reads any more. */
  #waiting: (() => void)[] = [];
  #isGone = false;

  /** `onGone`: the reader went away, as `head` does; nothing more is of use to it. */
  constructor(output: Output, onGone: () => void) {
    this.#output = output;
    this.#onGone = onGone;
    output.on("error", () => this.#gone());
  }

  /** Resolves when there is room for more. Never rejects. */
  write(value: object): Promise<void> {
    const output = this.#output;
    if (this.#isGone || output.write(`${jsonFor(output, value)}\n`)) return Promise.resolve();
    return new Promise((resolve) => {
      // One listener serves all that wait.
      if (this.#waiting.length === 0) output.once("drain", () => this.#goOn());
      this.#waiting.push(resolve);
    });
  }

  #goOn(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #gone(): void {
    this.#goOn();
    if (this.#isGone) return;
    this.#isGone = true;
    this.#onGone();
  }
}
