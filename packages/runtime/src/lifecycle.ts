import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";

/** What of Node's `process` a lifecycle needs; tests give their own. */
export interface HostProcess {
  on(event: string, listener: (...args: never[]) => void): unknown;
  exit(code: number): void;
}

/** How a process begins to end; `undefined` until its service runs. */
export type Drain = () => Promise<void>;

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * Ends a process in order. The first SIGTERM or SIGINT drains, and the process ends with 0 when
 * that is done or `drainMs` have passed, whatever hangs; the second ends it with 0 at once. An error that
 * nobody caught is logged and ends it with 1: what supervises it starts it anew.
 */
export class Lifecycle {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #host: HostProcess;
  readonly #drainMs: number;
  #drain: Drain | undefined;
  #isStopping = false;

  constructor(options: {
    readonly logger: Logger;
    readonly clock: Clock;
    readonly drainMs: number;
    readonly host: HostProcess;
  }) {
    this.#logger = options.logger;
    this.#clock = options.clock;
    this.#host = options.host;
    this.#drainMs = options.drainMs;
    for (const signal of STOP_SIGNALS) this.#host.on(signal, () => this.#onSignal(signal));
    this.#host.on("uncaughtException", (error: unknown) => this.#fail(error));
    this.#host.on("unhandledRejection", (error: unknown) => this.#fail(error));
  }

  /** The service runs from now on, and this is how it drains. */
  started(drain: Drain): void {
    this.#drain = drain;
  }

  #onSignal(signal: (typeof STOP_SIGNALS)[number]): void {
    if (!this.#isStopping) return this.stop(signal);
    this.#logger.warn({ signal }, "second signal, ending at once");
    this.#host.exit(0);
  }

  /** As the first signal does; a process that is stopping goes on with that. */
  stop(why: string): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#logger.info({ why, drainMs: this.#drainMs }, "draining");
    const deadline = this.#clock.after(this.#drainMs, () => {
      this.#logger.warn({}, "drain did not finish in time");
      this.#host.exit(0);
    });
    void this.#drained().then(() => {
      deadline.cancel();
      this.#host.exit(0);
    });
  }

  async #drained(): Promise<void> {
    try {
      await this.#drain?.();
      this.#logger.info({}, "drained");
    } catch (error) {
      this.#logger.error({ error: describe(error) }, "drain failed");
    }
  }

  #fail(error: unknown): void {
    this.#logger.error({ error: describe(error) }, "uncaught error");
    this.#host.exit(1);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
