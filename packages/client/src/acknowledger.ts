import type { DownFrame } from "@millrace/schemas";
import { Backoff } from "./backoff.ts";
import type { CancellableTimer, Environment } from "./environment.ts";
import { type MillraceError, errorOf, isRetryable } from "./errors.ts";
import { isBehind } from "./positions.ts";
import type { Wire } from "./wire.ts";

export interface AcknowledgerOptions {
  readonly wire: Wire;
  readonly environment: Environment;
  /** An acknowledgement that the server will never take. */
  readonly onRefused: (conversation: string, error: MillraceError) => void;
}

/** Acknowledgements of so long go out as one. */
const FOLD_MS = 200;

/**
 * What the application has processed, told to the server: cumulative, folded to the newest per
 * conversation, repeated until confirmed. It outlives the subscription, whose end must not lose
 * the last one.
 */
export class Acknowledger {
  readonly #options: AcknowledgerOptions;
  readonly #backoff: Backoff;
  /** Not confirmed yet. */
  readonly #wanted = new Map<string, string>();
  readonly #asked = new Set<string>();
  #timer: CancellableTimer | undefined;

  constructor(options: AcknowledgerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.environment.random);
  }

  acknowledge(conversation: string, position: string): void {
    const before = this.#wanted.get(conversation);
    if (before !== undefined && isBehind(before, position) === true) return;
    this.#wanted.set(conversation, position);
    this.#later(FOLD_MS);
  }

  /** On a new connection nothing is under way. */
  onReady(): void {
    this.#asked.clear();
    this.flush();
  }

  /** Whatever waits goes out at once. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!this.#options.wire.isUp) return;
    for (const [c, pos] of this.#wanted) {
      // One at a time and conversation, so that an answer says which position was stored.
      if (this.#asked.has(c)) continue;
      this.#asked.add(c);
      this.#options.wire.request({ t: "ack", c, pos }, (answer) => this.#answered(c, pos, answer));
    }
  }

  #answered(conversation: string, position: string, answer: DownFrame): void {
    this.#asked.delete(conversation);
    const isNewest = this.#wanted.get(conversation) === position;
    if (answer.t === "err" && isRetryable(answer.code)) {
      return this.#later(answer.retryMs ?? this.#backoff.nextMs());
    }
    if (answer.t === "err") this.#options.onRefused(conversation, errorOf(answer));
    else this.#backoff.reset();
    if (isNewest) this.#wanted.delete(conversation);
    else this.#later(FOLD_MS);
  }

  #later(delayMs: number): void {
    this.#timer ??= this.#options.environment.clock.after(delayMs, () => this.flush());
  }
}
