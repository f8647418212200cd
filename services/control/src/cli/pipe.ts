import type { Output } from "./surroundings.ts";

/** What is written line by line, as fast as its reader takes it. */
export class Pipe {
  readonly #output: Output;
  readonly #onGone: () => void;
  #isGone = false;

  /** `onGone`: the reader went away, as `head` does; nothing more is of use to it. */
  constructor(output: Output, onGone: () => void) {
    this.#output = output;
    this.#onGone = onGone;
    output.on("error", () => this.#gone());
  }

  /** Resolves when there is room for more. Never rejects. */
  write(value: object): Promise<void> {
    if (this.#isGone || this.#output.write(`${JSON.stringify(value)}\n`)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#output.once("drain", resolve);
      this.#output.on("error", () => resolve());
    });
  }

  #gone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#onGone();
  }
}
