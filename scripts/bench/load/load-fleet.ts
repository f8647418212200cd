import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LoadAnswer, LoadCommand, LoadPlan, Opened } from "./load-protocol.ts";
import type { LoadWindow } from "./tally.ts";

const PROCESS = fileURLToPath(new URL("load-process.ts", import.meta.url));

/** The part of a plan that all processes have in common. */
export type FleetPlan = Omit<LoadPlan, "first" | "place" | "seed"> & {
  readonly port: number;
  readonly seed: number;
  /** Index of the first client. */
  readonly first?: number;
};

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A child process that answers commands in any order. */
class LoadWorker {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #number = 0;

  constructor() {
    this.#child = fork(PROCESS, [], { execArgv: ["--import", "tsx"], serialization: "advanced" });
    this.#child.on("message", (answer: LoadAnswer) => this.#take(answer));
    this.#child.on("exit", (code) => this.#ended(code));
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  ask<Answer>(command: LoadCommand): Promise<Answer> {
    const number = this.#number++;
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#child.send({ number, command });
    }) as Promise<Answer>;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await gone;
  }

  #take({ number, value, problem }: LoadAnswer): void {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (problem === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(problem));
  }

  #ended(code: number | null): void {
    for (const { reject } of this.#waiting.values()) {
      reject(new Error(`a load process ended by itself (code ${code})`));
    }
    this.#waiting.clear();
  }
}

/** The load side: several processes that share the clients between them. */
export class LoadFleet {
  readonly #workers: readonly LoadWorker[];

  constructor(processes: number) {
    this.#workers = Array.from({ length: processes }, () => new LoadWorker());
  }

  get pids(): number[] {
    return this.#workers.map(({ pid }) => pid);
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
