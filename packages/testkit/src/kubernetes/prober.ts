import { setTimeout as sleep } from "node:timers/promises";
import { type RunningContainer, runHandler } from "./container-handler.ts";
import type { Probe } from "./objects.ts";

const SECOND_MS = 1_000;

export interface ProberOptions {
  readonly probe: Probe;
  readonly running: RunningContainer;
  /** Each time that enough answers in a row say so: again and again while they do. */
  readonly onVerdict: (isSuccess: boolean) => void;
}

/** Asks a container at the periods of its probe; the numbers not given are those of Kubernetes. */
export class Prober {
  readonly #options: ProberOptions;
  readonly #end = new AbortController();
  #last: boolean | undefined;
  #inRow = 0;

  constructor(options: ProberOptions) {
    this.#options = options;
    // It never rejects.
    void this.#run();
  }

  stop(): void {
    this.#end.abort();
  }

  async #run(): Promise<void> {
    const { initialDelaySeconds = 0, periodSeconds = 10 } = this.#options.probe;
    await this.#pause(initialDelaySeconds * SECOND_MS);
    while (!this.#end.signal.aborted) {
      const startMs = performance.now();
      await this.#ask();
      await this.#pause(periodSeconds * SECOND_MS - (performance.now() - startMs));
    }
  }

  async #ask(): Promise<void> {
    const { probe, running, onVerdict } = this.#options;
    const { timeoutSeconds = 1, successThreshold = 1, failureThreshold = 3 } = probe;
    const limit = AbortSignal.timeout(timeoutSeconds * SECOND_MS);
    const { signal } = this.#end;
    const isSuccess = await runHandler(probe, running, AbortSignal.any([limit, signal]));
    if (signal.aborted) return;
    this.#inRow = isSuccess === this.#last ? this.#inRow + 1 : 1;
    this.#last = isSuccess;
    if (this.#inRow >= (isSuccess ? successThreshold : failureThreshold)) onVerdict(isSuccess);
  }

  async #pause(ms: number): Promise<void> {
    if (ms <= 0) return;
    // Aborted: the loop sees it.
    await sleep(ms, undefined, { signal: this.#end.signal }).catch(() => undefined);
  }
}
