import type { Clock, Timer } from "@millrace/runtime";
import type { AppendRequest, SettledOutcome } from "../../port.ts";
import type { BatchRecord } from "../protocol/encode-batch.ts";

/** One append on its way. */
export interface Entry {
  readonly request: AppendRequest;
  readonly record: BatchRecord;
  /** What the record is recognised by when it is read back: its header `edge`. */
  readonly mark: string;
  readonly bytes: number;
  /** `overdue`: sent, unsettled, and its deadline has passed. */
  state: "queued" | "sent" | "overdue" | "settled";
  outcome: SettledOutcome | undefined;
  isToldUnknown: boolean;
}

/** The longest delay that a timer takes: beyond it the timer would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * Tells outcomes in the order of the appends of one partition, whichever was known first, and
 * watches their deadlines with one timer. It runs on when what it was for is settled, and looks then
 * for the next deadline: a timer for each append would cost more than the append.
 */
export class Tellings {
  readonly #clock: Clock;
  readonly #onDue: (entries: readonly Entry[]) => void;
  /** In the order of the appends; the front leaves when its outcome is told. */
  readonly #untold: Entry[] = [];
  #timer: Timer | undefined;
  #timerMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, onDue: (entries: readonly Entry[]) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  add(entry: Entry): void {
    this.#untold.push(entry);
    this.#watch(entry.request.deadlineMs);
  }

  settle(entry: Entry, outcome: SettledOutcome): void {
    entry.state = "settled";
    entry.outcome = outcome;
    if (entry.isToldUnknown) entry.request.onSettled?.(outcome);
  }

  /** Tells what can be told: nothing behind one whose outcome is still open. */
  tell(): void {
    for (;;) {
      const entry = this.#untold[0];
      if (entry === undefined) break;
      if (entry.state !== "settled" && entry.state !== "overdue") return;
      this.#untold.shift();
      entry.isToldUnknown = entry.outcome === undefined;
      entry.request.onOutcome(entry.outcome ?? { kind: "unknown" });
    }
  }

  #watch(deadlineMs: number): void {
    if (deadlineMs >= this.#timerMs) return;
    this.#timer?.cancel();
    this.#timerMs = deadlineMs;
    const leftMs = Math.min(TIMER_MS_MAX, Math.max(0, deadlineMs - this.#clock.nowMs()));
    this.#timer = this.#clock.after(leftMs, () => this.#expire());
  }

  #expire(): void {
    this.#timerMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.nowMs();
    const open = this.#untold.filter(({ state }) => state === "queued" || state === "sent");
    const due = open.filter(({ request }) => request.deadlineMs <= nowMs);
    const later = open.filter(({ request }) => request.deadlineMs > nowMs);
    const next = Math.min(...later.map(({ request }) => request.deadlineMs));
    if (next < Number.POSITIVE_INFINITY) this.#watch(next);
    this.#onDue(due);
  }
}
