import { constants } from "node:os";
import type { Clock } from "@millrace/runtime";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** One Ctrl-C arrives from the terminal, from npm and from the launcher, all within a moment. */
const SAME_WISH_MS = 200;

/** What of Node's `process` is needed here; tests give their own. */
export interface SignalSource {
  on(event: string, listener: () => void): unknown;
}

/**
 * The wish to end: the first signal ends in order, a second one at once. The end of the launcher
 * counts as the first, for it takes the terminal and the signals with it.
 */
export class StopWish {
  /** Resolves at the first wish. */
  readonly requested: Promise<void>;
  readonly #clock: Clock;
  readonly #onSecond: (exitCode: number) => void;
  #resolve: () => void = () => undefined;
  #firstMs: number | undefined;

  constructor(options: {
    readonly clock: Clock;
    readonly source: SignalSource;
    readonly onSecond: (exitCode: number) => void;
  }) {
    this.#clock = options.clock;
    this.#onSecond = options.onSecond;
    this.requested = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    for (const signal of SIGNALS) {
      options.source.on(signal, () => this.#signal(128 + constants.signals[signal]));
    }
    options.source.on("disconnect", () => this.#first());
  }

  get isRequested(): boolean {
    return this.#firstMs !== undefined;
  }

  #signal(exitCode: number): void {
    if (this.#firstMs === undefined) this.#first();
    else if (this.#clock.nowMs() - this.#firstMs > SAME_WISH_MS) this.#onSecond(exitCode);
  }

  #first(): void {
    this.#firstMs ??= this.#clock.nowMs();
    this.#resolve();
  }
}
