import { type ChildProcess, fork } from "node:child_process";

/** What a parent asks of a child process, and what it is answered. */
interface Request<Command> {
  readonly number: number;
  readonly command: Command;
}

interface Answer {
  readonly number: number;
  readonly value?: unknown;
  readonly problem?: string;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A child process that answers commands in any order. */
export class LoadWorker<Command> {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #number = 0;

  /** The file that the process runs: see `answerParent`. */
  constructor(file: string) {
    this.#child = fork(file, [], { execArgv: ["--import", "tsx"], serialization: "advanced" });
    this.#child.on("message", (answer: Answer) => this.#take(answer));
    this.#child.on("exit", (code) => this.#ended(code));
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  ask<Value>(command: Command): Promise<Value> {
    const number = this.#number++;
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#child.send({ number, command });
    }) as Promise<Value>;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async end(): Promise<void> {
    if (this.hasEnded) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await gone;
  }

  #take({ number, value, problem }: Answer): void {
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

/** The child's side: each command is answered once `run` is done with it, in any order. */
export function answerParent(run: (command: never) => unknown): void {
  const answer = async ({ number, command }: Request<never>): Promise<void> => {
    try {
      process.send?.({ number, value: await run(command) });
    } catch (error) {
      process.send?.({ number, problem: String(error) });
    }
  };
  process.on("message", (request: Request<never>) => void answer(request));
  process.on("disconnect", () => process.exit(0));
}
