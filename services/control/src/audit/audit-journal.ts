import { randomBytes } from "node:crypto";
import type { Log } from "@millrace/log";
import type { Clock, Logger } from "@millrace/runtime";
import { type AuditRecord, auditRecordKey, encodeAudit } from "@millrace/schemas/record";
import { LIMITS } from "../limits.ts";
import { refuse } from "../refusal.ts";

/** What is intended, by whom. */
export type AuditIntent = Pick<AuditRecord, "operator" | "address" | "action" | "parameters">;

export interface AuditJournalOptions {
  /** The topic of audit. */
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
}

export const AUDIT_PARTITION = 0;

const ID_BYTES = 4;

const NOT_DONE = {
  status: 503,
  outcome: "nothing was done, since this was not known to be written in time",
};

interface Failure {
  readonly why: string;
  /** It may be written all the same. */
  readonly isUnknown: boolean;
}

/**
 * Writes what operators do into its topic, and into the log lines. Nothing is done that could not be
 * written before; an outcome that can't be written is in the log lines alone.
 */
export class AuditJournal {
  readonly #options: AuditJournalOptions;

  constructor(options: AuditJournalOptions) {
    this.#options = options;
  }

  /** Throws a RefusalError where it is not written on all in-sync replicas. */
  async begin(intent: AuditIntent): Promise<AuditRecord> {
    const { clock, logger } = this.#options;
    const atMs = Math.trunc(clock.wallMs());
    const id = `${atMs.toString(36)}-${randomBytes(ID_BYTES).toString("hex")}`;
    const record: AuditRecord = { id, atMs, ...intent };
    const failure = await this.#write(record);
    if (failure !== undefined) {
      // It may stand there all the same, and would look as if nobody knew how it ended.
      if (failure.isUnknown) void this.#write({ ...record, end: NOT_DONE });
      logger.warn({ audit: id, ...intent, status: 503, why: failure.why }, "audit");
      refuse(
        503,
        `nothing was done, since it could not be written to the audit (${failure.why}): ` +
          "look at Kafka, and try again. The edges' own operators' ports work without it",
      );
    }
    logger.info({ audit: id, ...intent }, "audit");
    return record;
  }

  /** Never rejects. */
  async end(
    record: AuditRecord,
    end: { readonly status: number; readonly outcome: string },
  ): Promise<void> {
    const { logger } = this.#options;
    const { id, operator, action } = record;
    const failure = await this.#write({ ...record, end });
    const lost = failure !== undefined && { unwritten: failure.why };
    logger.info({ audit: id, operator, action, ...end, ...lost }, "audit");
  }

  /** Undefined: it is written. */
  #write(record: AuditRecord): Promise<Failure | undefined> {
    const { log, clock } = this.#options;
    if (log.epoch === undefined) {
      return Promise.resolve({ why: "its topic was not reached yet", isUnknown: false });
    }
    return new Promise((resolve) => {
      log.append({
        partition: AUDIT_PARTITION,
        key: auditRecordKey(record.id),
        value: encodeAudit(record),
        headers: [],
        deadlineMs: clock.nowMs() + LIMITS.auditMs,
        onOutcome: ({ kind }) => {
          const why = "the log did not take it in time";
          resolve(kind === "appended" ? undefined : { why, isUnknown: kind === "unknown" });
        },
      });
    });
  }
}
