import { type Clock, type Logger, messageOf } from "@millrace/runtime";

/** An outage is told again so often, with its newest reason. */
const REPEAT_MS = 30_000;

/**
 * Tells that no broker answers, and why: at once, then now and then, and when it is over. What is
 * tried ten times a second would otherwise fill the log, or be silent about a wrong password.
 */
export class OutageReport {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #toldMs: number | undefined;

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  lasts(cause: unknown): void {
    const nowMs = this.#clock.nowMs();
    if (this.#toldMs !== undefined && nowMs - this.#toldMs < REPEAT_MS) return;
    this.#toldMs = nowMs;
    this.#logger.warn({ error: messageOf(cause) }, "no broker answers; it is tried again");
  }

  ended(): void {
    if (this.#toldMs !== undefined) this.#logger.info({}, "Kafka answers again");
    this.#toldMs = undefined;
  }
}
