import { fileURLToPath } from "node:url";
import { LoadWorker } from "../../scripts/bench/load/load-worker.ts";
import type { IdleCommand, IdleReport } from "./idle-crowd-process.ts";

const PROCESS = fileURLToPath(new URL("idle-crowd-process.ts", import.meta.url));

/** A crowd of silent clients in a process of its own, so that they don't stand in the way of the others. */
export class IdleCrowd {
  readonly #worker = new LoadWorker<IdleCommand>(PROCESS);

  private constructor() {}

  static async gather(options: {
    readonly edges: readonly string[];
    readonly count: number;
    readonly tokens: readonly string[];
  }): Promise<IdleCrowd> {
    const crowd = new IdleCrowd();
    await crowd.#worker.ask({ kind: "gather", ...options });
    return crowd;
  }

  async add(edge: string): Promise<void> {
    await this.#worker.ask({ kind: "add", edge });
  }

  async remove(edge: string): Promise<void> {
    await this.#worker.ask({ kind: "remove", edge });
  }

  /** Since the last one. */
  report(): Promise<IdleReport> {
    return this.#worker.ask({ kind: "report" });
  }

  end(): Promise<void> {
    return this.#worker.end();
  }
}
