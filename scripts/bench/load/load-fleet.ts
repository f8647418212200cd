import { fileURLToPath } from "node:url";
import type { Load, LoadCommand, LoadPlan, Opened } from "./load-protocol.ts";
import { LoadWorker } from "./load-worker.ts";
import type { LoadWindow } from "./tally.ts";

const PROCESS = fileURLToPath(new URL("load-process.ts", import.meta.url));

/** The part of a plan that all processes have in common. */
export type FleetPlan = Omit<LoadPlan, "first" | "place" | "seed"> & {
  readonly port: number;
  readonly seed: number;
  /** Index of the first client. */
  readonly first?: number;
};

/** The load side: several processes that share the clients between them. */
export class LoadFleet implements Load {
  readonly #workers: readonly LoadWorker<LoadCommand>[];

  constructor(processes: number) {
    this.#workers = Array.from({ length: processes }, () => new LoadWorker(PROCESS));
  }

  /** Of those that run. */
  get pids(): number[] {
    return this.#workers.filter(({ hasEnded }) => !hasEnded).map(({ pid }) => pid);
  }

  async open(plan: FleetPlan): Promise<Opened> {
    const { port, count, seed, first = 0, ...shared } = plan;
    const share = Math.ceil(count / this.#workers.length);
    const opened = await Promise.all(
      this.#workers.map((worker, index) =>
        worker.ask<Opened>({
          name: "open",
          plan: {
            ...shared,
            place: { host: "127.0.0.1", port, localAddress: `127.0.0.${2 + index}` },
            first: first + index * share,
            count: Math.max(0, Math.min(share, count - index * share)),
            seed: seed * 1_000 + index,
          },
        }),
      ),
    );
    return together(opened);
  }

  async reopen(withinMs: number): Promise<Opened> {
    return together(await this.#askAll<Opened>({ name: "reopen", withinMs }));
  }

  async publish(perS: number): Promise<void> {
    await this.#askAll({ name: "publish", perS: perS / this.#workers.length });
  }

  /** Resolves when exactly that many are sent. */
  async publishCount(perS: number, count: number): Promise<void> {
    const { length } = this.#workers;
    await this.#askAll({ name: "publish", perS: perS / length, count: count / length });
  }

  quiet(): Promise<unknown> {
    return this.#askAll({ name: "quiet" });
  }

  cut(): Promise<unknown> {
    return this.#askAll({ name: "cut" });
  }

  /** What each process saw since the last time. */
  windows(): Promise<LoadWindow[]> {
    return this.#askAll<LoadWindow>({ name: "window" });
  }

  async acknowledgedKeys(): Promise<string[]> {
    return (await this.#askAll<string[]>({ name: "keys" })).flat();
  }

  async end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
  }

  #askAll<Answer>(command: LoadCommand): Promise<Answer[]> {
    return Promise.all(this.#workers.map((worker) => worker.ask<Answer>(command)));
  }
}

function together(all: readonly Opened[]): Opened {
  return {
    open: all.reduce((sum, { open }) => sum + open, 0),
    retried: all.reduce((sum, { retried }) => sum + retried, 0),
    problems: all.reduce((sum, { problems }) => sum + problems, 0),
    firstProblem: all.find(({ firstProblem }) => firstProblem !== undefined)?.firstProblem,
    lastHandshakeUs: Math.max(...all.map(({ lastHandshakeUs }) => lastHandshakeUs)),
    lastLiveUs: Math.max(...all.map(({ lastLiveUs }) => lastLiveUs)),
  };
}
