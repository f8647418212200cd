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
      logger.warn({ audit: id, ...intent, status: 503, why: failure }, "audit");
      refuse(
        503,
        `nothing was done, since it could not be written to the audit (${failure}): ` +
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
    const lost = failure !== undefined && { unwritten: failure };
    logger.info({ audit: id, operator, action, ...end, ...lost }, "audit");
  }

  /** Undefined: it is written. */
  #write(record: AuditRecord): Promise<string | undefined> {
    const { log, clock } = this.#options;
    if (log.epoch === undefined) return Promise.resolve("its topic was not reached yet");
    return new Promise((resolve) => {
      log.append({
        partition: AUDIT_PARTITION,
        key: auditRecordKey(record.id),
        value: encodeAudit(record),
        headers: [],
        deadlineMs: clock.nowMs() + LIMITS.auditMs,
        onOutcome: ({ kind }) => {
          resolve(kind === "appended" ? undefined : "the log did not take it in time");
        },
      });
    });
  }
}
