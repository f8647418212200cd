import { type Clock, within } from "@millrace/runtime";
import type { Admin } from "kafkajs";
import { type AdminOptions, adminOf } from "../admin.ts";
import { silenceIdleTimers } from "../kafkajs.ts";

/** Older ones are made anew, so that changed credentials are used within that time. */
const AGE_MS_MAX = 300_000;

/** Whoever looks wants to hear soon that nobody answers. */
const RETRIES = 1;

const ANSWER_MS = 15_000;
const GOODBYE_MS = 1_000;

interface Kept {
  readonly admin: Admin;
  readonly bornMs: number;
  readonly connected: Promise<void>;
}

/** A client of kafkajs that is kept for the next question as long as it answers. */
export class KeptAdmin {
  readonly #options: AdminOptions;
  readonly #clock: Clock;
  #kept: Kept | undefined;

  constructor(options: AdminOptions, clock: Clock) {
    silenceIdleTimers();
    this.#options = options;
    this.#clock = clock;
  }

  /**
   * Rejects as the question does; the next one then has a client of its own. What a coordinator or a
   * controller refuses because it is no longer the one is asked once more.
   */
  async use<Answer>(ask: (admin: Admin) => Promise<Answer>): Promise<Answer> {
    try {
      return await this.#ask(ask);
    } catch (cause) {
      if (!isPassing(cause)) throw cause;
      return this.#ask(ask);
    }
  }

  close(): void {
    if (this.#kept !== undefined) this.#drop(this.#kept);
  }

  async #ask<Answer>(ask: (admin: Admin) => Promise<Answer>): Promise<Answer> {
    const kept = this.#current();
    try {
      const answered = kept.connected.then(() => ask(kept.admin));
      return await within(this.#clock, ANSWER_MS, answered);
    } catch (cause) {
      this.#drop(kept);
      throw cause;
    }
  }

  #current(): Kept {
    const nowMs = this.#clock.nowMs();
    if (this.#kept !== undefined && nowMs - this.#kept.bornMs > AGE_MS_MAX) this.#drop(this.#kept);
    if (this.#kept !== undefined) return this.#kept;
    const admin = adminOf({ ...this.#options, retries: RETRIES });
    this.#kept = { admin, bornMs: nowMs, connected: admin.connect() };
    return this.#kept;
  }

  /** What others have asked of it meanwhile is answered still, or fails for them, too. */
  #drop(kept: Kept): void {
    if (this.#kept === kept) this.#kept = undefined;
    // Where no broker answers it would hang; nothing waits for it.
    void within(this.#clock, GOODBYE_MS, kept.admin.disconnect()).catch(() => undefined);
  }
}

function isPassing(cause: unknown): boolean {
  return cause instanceof Error && (cause as { readonly retriable?: unknown }).retriable === true;
}
