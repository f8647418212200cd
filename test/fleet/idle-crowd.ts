import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { IdleAnswer, IdleCommand, IdleReport } from "./idle-crowd-process.ts";

const PROCESS = fileURLToPath(new URL("idle-crowd-process.ts", import.meta.url));

/** A crowd of silent clients in a process of its own, so that they don't stand in the way of the others. */
export class IdleCrowd {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async gather(options: {
    readonly edges: readonly string[];
    readonly count: number;
    readonly tokens: readonly string[];
  }): Promise<IdleCrowd> {
    const crowd = new IdleCrowd(fork(PROCESS, [], { execArgv: ["--import", "tsx"] }));
    await crowd.#ask({ kind: "gather", ...options });
    return crowd;
  }

  async add(edge: string): Promise<void> {
    await this.#ask({ kind: "add", edge });
  }

  async remove(edge: string): Promise<void> {
    await this.#ask({ kind: "remove", edge });
  }

  /** Since the last one. */
  report(): Promise<IdleReport> {
    return this.#ask({ kind: "report" });
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }

  #ask(command: IdleCommand): Promise<IdleReport> {
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error("the process of the idle clients ended by itself"));
      this.#child.once("exit", fail);
      this.#child.once("message", ({ report, problem }: IdleAnswer) => {
        this.#child.off("exit", fail);
        if (report === undefined) reject(new Error(problem));
        else resolve(report);
      });
      this.#child.send(command);
    });
  }
}
