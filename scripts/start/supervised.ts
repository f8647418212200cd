import { type Clock, delay } from "@millrace/runtime";

/** A process of ours, as far as its supervisor cares. */
export interface Part {
  readonly pid: number;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** SIGTERM, and SIGKILL for what has not ended by then. */
  stop(graceMs: number): Promise<void>;
}

export interface SupervisedOptions<P extends Part> {
  readonly name: string;
  /** Starts it under its same id and port; resolves when it serves. */
  readonly launch: (signal: AbortSignal) => Promise<P>;
  readonly clock: Clock;
  readonly tell: (line: string) => void;
  /** It serves again, as another process. */
  readonly onBack: () => void;
}

const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 5_000;

/** Who serves that long has recovered: its next end is a new story. */
const RECOVERED_MS = 10_000;

/** Keeps a process running: one that ends, for whatever reason, is started again with backoff. */
export class Supervised<P extends Part> {
  readonly #options: SupervisedOptions<P>;
  readonly #stopping = new AbortController();
  #current: P;

  private constructor(options: SupervisedOptions<P>, first: P) {
    this.#options = options;
    this.#current = first;
    void this.#watch();
  }

  /** Starts it once; what fails here was never running, and is the caller's to report. */
  static async start<P extends Part>(options: SupervisedOptions<P>): Promise<Supervised<P>> {
    return new Supervised(options, await options.launch(new AbortController().signal));
  }

  /** The process that serves, or the last one that did. */
  get current(): P {
    return this.#current;
  }

  /** Ends it for good. One that is just being started again is ended when its start is over. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    await this.#current.stop(graceMs);
  }

  async #watch(): Promise<void> {
    const { name, clock, tell, onBack } = this.#options;
    let backoffMs = BACKOFF_MS_MIN;
    while (!this.#stopping.signal.aborted) {
      const sinceMs = clock.nowMs();
      const { code, signal } = await this.#current.exited;
      if (this.#stopping.signal.aborted) return;
      if (clock.nowMs() - sinceMs >= RECOVERED_MS) backoffMs = BACKOFF_MS_MIN;
      tell(`${name} ended (${signal ?? `code ${code}`}); it is started again`);
      backoffMs = await this.#relaunch(backoffMs);
      if (this.#stopping.signal.aborted) return;
      tell(`${name} serves again (pid ${this.#current.pid})`);
      onBack();
    }
  }

  /** Tries until it serves or is not wanted any more; returns the delay before the next start. */
  async #relaunch(firstBackoffMs: number): Promise<number> {
    const { name, launch, clock, tell } = this.#options;
    const { signal } = this.#stopping;
    let backoffMs = firstBackoffMs;
    for (;;) {
      await delay(clock, backoffMs, signal);
      backoffMs = Math.min(BACKOFF_MS_MAX, backoffMs * 2);
      if (signal.aborted) return backoffMs;
      try {
        const part = await launch(signal);
        this.#current = part;
        if (signal.aborted) await part.stop(0);
        return backoffMs;
      } catch (error) {
        if (signal.aborted) return backoffMs;
        tell(`${name} could not be started again: ${error instanceof Error ? error.message : ""}`);
      }
    }
  }
}
