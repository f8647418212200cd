import { setTimeout as sleep } from "node:timers/promises";

export interface ProbeOptions {
  readonly url: string;
  /** As a kubelet has them: `periodSeconds`, `timeoutSeconds`, `failureThreshold`. */
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly failuresMax: number;
}

/**
 * Asks as a kubelet does: once a period, one request at a time, any status from 200 to 399 in time is
 * a success, and so many failures in a row, with no success between them, are a verdict. It restarts
 * nothing.
 */
export class Probe {
  readonly #options: ProbeOptions;
  readonly #end = new AbortController();
  readonly #asking: Promise<void>;
  #inARow = 0;
  #longestRow = 0;
  #asked = 0;

  constructor(options: ProbeOptions) {
    this.#options = options;
    this.#asking = this.#ask();
  }

  /** Whether a kubelet would have acted by now. */
  get hasFailed(): boolean {
    return this.#longestRow >= this.#options.failuresMax;
  }

  get longestRow(): number {
    return this.#longestRow;
  }

  get asked(): number {
    return this.#asked;
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#asking;
  }

  async #ask(): Promise<void> {
    const { signal } = this.#end;
    const startMs = performance.now();
    while (!signal.aborted) {
      const isAnswered = await this.#isAnswered();
      if (signal.aborted) return;
      this.#asked += 1;
      this.#inARow = isAnswered ? 0 : this.#inARow + 1;
      this.#longestRow = Math.max(this.#longestRow, this.#inARow);
      const { periodMs } = this.#options;
      const restMs = periodMs - ((performance.now() - startMs) % periodMs);
      await sleep(restMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #isAnswered(): Promise<boolean> {
    const { url, timeoutMs } = this.#options;
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(timeoutMs)]);
    try {
      // A kubelet opens a connection of its own each time.
      const answer = await fetch(url, { signal, headers: { connection: "close" } });
      await answer.body?.cancel();
      return answer.status >= 200 && answer.status < 400;
    } catch {
      // Refused, cut or too late: all the same to it.
      return false;
    }
  }
}
