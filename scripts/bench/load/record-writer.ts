import { fileURLToPath } from "node:url";
import type { Load } from "./load-protocol.ts";
import { LoadWorker } from "./load-worker.ts";
import type { LoadWindow } from "./tally.ts";

const PROCESS = fileURLToPath(new URL("record-writer-process.ts", import.meta.url));

export interface WriterPlan {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly seed: number;
}

export type WriterCommand =
  | { readonly name: "open"; readonly plan: WriterPlan }
  /** An open loop over these conversations, each as often as the others, until `quiet`. */
  | { readonly name: "publish"; readonly perS: number; readonly rooms: readonly number[] }
  | { readonly name: "quiet" }
  | { readonly name: "window" };

/** Writes stamped records into the log by itself, so that an edge has nothing to do but to read. */
export class RecordWriter implements Load {
  readonly #worker = new LoadWorker<WriterCommand>(PROCESS);

  get pids(): number[] {
    return this.#worker.hasEnded ? [] : [this.#worker.pid];
  }

  open(plan: WriterPlan): Promise<unknown> {
    return this.#worker.ask({ name: "open", plan });
  }

  publish(perS: number, rooms: readonly number[]): Promise<unknown> {
    return this.#worker.ask({ name: "publish", perS, rooms });
  }

  quiet(): Promise<unknown> {
    return this.#worker.ask({ name: "quiet" });
  }

  async windows(): Promise<LoadWindow[]> {
    return [await this.#worker.ask<LoadWindow>({ name: "window" })];
  }

  end(): Promise<void> {
    return this.#worker.end();
  }
}
