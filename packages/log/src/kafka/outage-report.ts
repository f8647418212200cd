import { type Clock, type Logger, messageOf } from "@millrace/runtime";

/** An outage is told again so often, with its newest reason. */
const REPEAT_MS = 30_000;

export interface OutageReportOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What is said; without it, that no broker answers. */
  readonly words?: { readonly lasts: string; readonly ended: string };
}

const NO_BROKER = {
  lasts: "no broker answers; it is tried again",
  ended: "Kafka answers again",
} as const;

/**
 * Tells that something is away, and why: at once, then now and then, and when it is over. What is
 * tried ten times a second would otherwise fill the log, or be silent about a wrong password.
 */
export class OutageReport {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #words: { readonly lasts: string; readonly ended: string };
  #toldMs: number | undefined;

  constructor({ clock, logger, words = NO_BROKER }: OutageReportOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#words = words;
  }

  lasts(cause: unknown): void {
    const nowMs = this.#clock.nowMs();
    if (this.#toldMs !== undefined && nowMs - this.#toldMs < REPEAT_MS) return;
    this.#toldMs = nowMs;
    this.#logger.warn({ error: messageOf(cause) }, this.#words.lasts);
  }

  ended(): void {
    if (this.#toldMs !== undefined) this.#logger.info({}, this.#words.ended);
    this.#toldMs = undefined;
  }
}
