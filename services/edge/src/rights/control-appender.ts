import type { Log } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import type { ErrorCode } from "@millrace/schemas";
import type { EdgeLimits } from "../limits.ts";

/** The topic of rulings and orders has one partition, so that they have one order. */
export const CONTROL_PARTITION = 0;

export type RuleOutcome =
  /** On all in-sync replicas; every edge that can read it acts on it within a second. */
  { readonly kind: "ruled" } | RuleRefusal;

export interface RuleRefusal {
  readonly kind: "refused";
  readonly code: ErrorCode;
  readonly message: string;
  /** It may be in the log all the same; the same call again settles it. */
  readonly isUnknown?: true;
}

export interface ControlAppenderOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly limits: Pick<EdgeLimits, "publishDeadlineMs">;
}

const NOT_TAKEN = "the log did not take it in time";

/**
 * Writes the words of operators into their topic. What is written holds here, too, only once it is read
 * back: the log's order decides between two operators, not the order in which edges heard of them.
 */
export class ControlAppender {
  readonly #options: ControlAppenderOptions;

  constructor(options: ControlAppenderOptions) {
    this.#options = options;
  }

  /** Null is a tombstone, also where nothing is known here: another edge may have ruled just now. */
  append(key: Uint8Array, value: Uint8Array | null): Promise<RuleOutcome> {
    const { log, clock, limits } = this.#options;
    if (log.epoch === undefined) {
      return Promise.resolve(refused("unavailable", "the log was not reached yet"));
    }
    return new Promise((resolve) => {
      log.append({
        partition: CONTROL_PARTITION,
        key,
        value,
        headers: [],
        deadlineMs: clock.nowMs() + limits.publishDeadlineMs,
        onOutcome: ({ kind }) => {
          if (kind === "appended") resolve({ kind: "ruled" });
          else if (kind !== "unknown") resolve(refused("unavailable", NOT_TAKEN));
          else resolve({ ...refused("unavailable", NOT_TAKEN), isUnknown: true });
        },
      });
    });
  }
}

export function refused(code: ErrorCode, message: string): RuleRefusal {
  return { kind: "refused", code, message };
}
