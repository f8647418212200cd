import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { LoadWorker } from "../load/load-worker.ts";
import { pin } from "../stage/cores.ts";
import type { MemberCommand, MemberPlan, Owned } from "./member-protocol.ts";

const PROCESS = fileURLToPath(new URL("member-process.ts", import.meta.url));

const PROCESSES_MAX = 4;
const PER_PROCESS = 30;
const POLL_MS = 20;
const PATIENCE_MS = 180_000;

/** So that it is given something also where there are more members than partitions. */
const WEIGHT_OF_ONE = 2;

/** The one that comes and goes, in a process of its own, so that it can be killed. */
const ONE = "one";

/** A group of members without edges: most of them stay, and one comes and goes. */
export class GroupMembers {
  readonly #plan: MemberPlan;
  readonly #core: number | undefined;
  readonly #staying: readonly string[];
  readonly #processes: readonly LoadWorker<MemberCommand>[];
  #one: LoadWorker<MemberCommand> | undefined;

  constructor(plan: MemberPlan, members: number, core: number | undefined) {
    this.#plan = plan;
    this.#core = core;
    this.#staying = Array.from({ length: members - 1 }, (_, index) => `member-${index}`);
    const count = Math.min(PROCESSES_MAX, Math.ceil(members / PER_PROCESS));
    this.#processes = Array.from({ length: count }, () => new LoadWorker(PROCESS));
  }

  get pids(): number[] {
    const all = this.#one === undefined ? this.#processes : [...this.#processes, this.#one];
    return all.filter(({ hasEnded }) => !hasEnded).map(({ pid }) => pid);
  }

  async open(): Promise<void> {
    await Promise.all(this.#processes.map((worker) => this.#opened(worker)));
  }

  /** All but the one, at once: ms until each partition has exactly one owner. */
  assemble(): Promise<number> {
    return this.#timed(async () => {
      const { length } = this.#processes;
      await Promise.all(
        this.#processes.map((worker, index) => {
          const own = this.#staying.filter((_, member) => member % length === index);
          return worker.ask({ name: "join", members: own.map((edge) => ({ edge, weight: 1 })) });
        }),
      );
    });
  }

  /** The one joins: ms from its `join` on. */
  async join(): Promise<number> {
    const one = new LoadWorker<MemberCommand>(PROCESS);
    await this.#opened(one);
    this.#one = one;
    return this.#timed(() =>
      one.ask({ name: "join", members: [{ edge: ONE, weight: WEIGHT_OF_ONE }] }),
    );
  }

  /** It leaves, or is killed: ms from then on. */
  goAway(how: "leave" | "kill"): Promise<number> {
    const one = this.#one;
    this.#one = undefined;
    return this.#timed(async () => {
      // Leaving takes a moment, in which the others are asked already.
      if (how === "leave") void one?.ask({ name: "leave", edge: ONE }).then(() => one.end());
      else await one?.end();
    });
  }

  async end(): Promise<void> {
    await this.#one?.end();
    await Promise.all(this.#processes.map((worker) => worker.end()));
  }

  async #opened(worker: LoadWorker<MemberCommand>): Promise<void> {
    await worker.ask({ name: "open", plan: this.#plan });
    await pin(worker.pid, this.#core);
  }

  async #timed(act: () => Promise<unknown>): Promise<number> {
    const beganMs = performance.now();
    await act();
    while (!isWhole(await this.#owned(), this.#plan.partitions, this.#one !== undefined)) {
      if (performance.now() - beganMs > PATIENCE_MS) throw new Error("the group has not settled");
      await sleep(POLL_MS);
    }
    return performance.now() - beganMs;
  }

  async #owned(): Promise<Owned> {
    const all = this.#one === undefined ? this.#processes : [...this.#processes, this.#one];
    return (await Promise.all(all.map((worker) => worker.ask<Owned>({ name: "owned" })))).flat();
  }
}

/**
 * Each partition has one owner, and everybody who may have some has some: as long as one of the
 * members has not heard yet, what it believes to own is somebody else's, too, or missing.
 */
export function isWhole(owned: Owned, partitions: number, hasOne: boolean): boolean {
  const all = owned.flatMap(([, theirs]) => theirs);
  if (all.length !== partitions || new Set(all).size !== partitions) return false;
  const owners = owned.filter(([, theirs]) => theirs.length > 0);
  const isIn = owners.some(([edge]) => edge === ONE);
  // The one has twice the weight, and so takes what would be another's only share.
  return isIn === hasOne && owners.length >= Math.min(partitions - 1, owned.length);
}
