import { type Clock, type Timer, must } from "@millrace/runtime";
import type { EpochId } from "@millrace/schemas";
import type { AppendRequest, SettledOutcome } from "../port.ts";

/** One append on its way. `overdue`: its deadline has passed while an attempt was unsettled. */
interface Pending {
  readonly request: AppendRequest;
  /** The incarnation that the caller knew of. */
  readonly epoch: EpochId | undefined;
  readonly deadline: { timer?: Timer };
  state: "queued" | "in-flight" | "overdue" | "settled";
  settled: SettledOutcome | undefined;
  isToldUnknown: boolean;
}

/** What a lane asks of the log. */
export interface LaneTarget {
  /** Resolves when the partition takes appends; the answer says why it never will again. */
  whenOpen(): Promise<SettledOutcome | undefined>;
  /** Puts the records of one attempt into the log, each with its outcome at the same index. */
  attempt(appends: readonly LaneAppend[]): Promise<readonly SettledOutcome[]>;
  /** Whether it will be refused, so that nothing may stand behind it in its batch. */
  isTooLarge(request: AppendRequest): boolean;
}

export interface LaneAppend {
  readonly request: AppendRequest;
  readonly epoch: EpochId | undefined;
}

const RECORDS_MAX = 500;

/** The longest delay that a timer takes: beyond it the timer would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * The appends of one partition, one batch in flight.
 *
 * Invariants: outcomes are told in the order of the appends, whichever was known first. A record
 * goes into a batch only when everything before it has been told its outcome or is in that batch,
 * so that `isStillWanted` can rely on what it was told: a record that is left out ends the batch
 * before it, unless nothing stands between it and what was told.
 */
export class MemoryLane {
  readonly #clock: Clock;
  readonly #target: LaneTarget;
  /** In the order of the appends; the front leaves when its outcome is told. */
  readonly #untold: Pending[] = [];
  readonly #queue: Pending[] = [];
  readonly #idleWaiters: (() => void)[] = [];
  #inFlight: readonly Pending[] = [];
  #isRunning = false;

  constructor(clock: Clock, target: LaneTarget) {
    this.#clock = clock;
    this.#target = target;
  }

  append(request: AppendRequest, epoch: EpochId | undefined): void {
    const pending: Pending = {
      request,
      epoch,
      deadline: {},
      state: "queued",
      settled: undefined,
      isToldUnknown: false,
    };
    const leftMs = Math.min(TIMER_MS_MAX, request.deadlineMs - this.#clock.nowMs());
    pending.deadline.timer = this.#clock.after(leftMs, () => this.#onDeadline(pending));
    this.#untold.push(pending);
    this.#queue.push(pending);
    if (!this.#isRunning) void this.#run();
  }

  /** What has not been sent yet never will be. */
  dropQueued(why: string): void {
    for (const pending of this.#queue.splice(0)) {
      this.#settle(pending, { kind: "not-appended", why });
    }
    this.#tell();
  }

  /** Nobody waits any longer for what is in flight. */
  giveUp(): void {
    for (const pending of this.#inFlight) {
      if (pending.state === "in-flight") pending.state = "overdue";
    }
    this.#tell();
  }

  /** Resolves when nothing is in flight. */
  whenIdle(): Promise<void> {
    if (this.#inFlight.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Never rejects: the target answers with outcomes. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#queue.length > 0) {
      // No outcome before `append` has returned, and what is appended in one step is one batch.
      const verdict = await this.#target.whenOpen();
      const batch = this.#takeBatch(verdict);
      if (batch.length > 0) await this.#send(batch);
      this.#tell();
    }
    this.#isRunning = false;
  }

  #takeBatch(verdict: SettledOutcome | undefined): Pending[] {
    const batch: Pending[] = [];
    while (batch.length < RECORDS_MAX) {
      const pending = this.#queue[0];
      if (pending === undefined) break;
      const isLast = this.#target.isTooLarge(pending.request);
      const leftOut = verdict ?? this.#whyLeftOut(pending);
      if (leftOut !== undefined && batch.length > 0) break;
      this.#queue.shift();
      if (leftOut === undefined) batch.push(pending);
      else {
        this.#settle(pending, leftOut);
        this.#tell();
      }
      if (isLast) break;
    }
    return batch;
  }

  #whyLeftOut({ request }: Pending): SettledOutcome | undefined {
    if (this.#clock.nowMs() >= request.deadlineMs) return TOO_LATE;
    return request.isStillWanted?.() === false ? { kind: "withdrawn" } : undefined;
  }

  async #send(batch: readonly Pending[]): Promise<void> {
    for (const pending of batch) pending.state = "in-flight";
    this.#inFlight = batch;
    const outcomes = await this.#target.attempt(batch);
    this.#inFlight = [];
    for (const [index, pending] of batch.entries()) {
      this.#settle(pending, must(outcomes[index], "an outcome for each append"));
    }
    this.#tell();
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #onDeadline(pending: Pending): void {
    if (pending.state === "in-flight") pending.state = "overdue";
    if (pending.state === "queued") {
      this.#queue.splice(this.#queue.indexOf(pending), 1);
      this.#settle(pending, TOO_LATE);
    }
    this.#tell();
  }

  #settle(pending: Pending, outcome: SettledOutcome): void {
    pending.deadline.timer?.cancel();
    pending.state = "settled";
    pending.settled = outcome;
    if (pending.isToldUnknown) pending.request.onSettled?.(outcome);
  }

  #tell(): void {
    for (;;) {
      const pending = this.#untold[0];
      if (pending === undefined || !isTellable(pending)) return;
      this.#untold.shift();
      pending.isToldUnknown = pending.settled === undefined;
      pending.request.onOutcome(pending.settled ?? { kind: "unknown" });
    }
  }
}

const TOO_LATE = { kind: "not-appended", why: "the deadline passed before it was sent" } as const;

function isTellable({ state }: Pending): boolean {
  return state === "settled" || state === "overdue";
}
