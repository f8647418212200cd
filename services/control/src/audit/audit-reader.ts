import type { Log, LogRecord } from "@millrace/log";
import { type Clock, type Logger, delay } from "@millrace/runtime";
import type { EpochId } from "@millrace/schemas";
import { type AuditRecord, decodeAudit } from "@millrace/schemas/record";
import type { AuditView } from "../api/views.ts";
import { LIMITS } from "../limits.ts";
import { refuse } from "../refusal.ts";
import { AUDIT_PARTITION } from "./audit-journal.ts";

export interface AuditReaderOptions {
  /** The topic of audit. */
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface AuditPage {
  /** The newest first. */
  readonly audit: readonly AuditView[];
  /** For the page of older ones; absent where there are none. */
  readonly next?: string;
}

interface Found {
  readonly offset: bigint;
  readonly record: AuditRecord;
}

interface Range {
  readonly epoch: EpochId;
  readonly from: bigint;
  readonly to: bigint;
}

const STEP = 1_000n;
const RETRY_MS = 1_000;
const POLL_MS = 5_000;

/** Reads what operators have done from the log itself: backwards in pages, and as it happens. */
export class AuditReader {
  readonly #options: AuditReaderOptions;
  readonly #stop = new AbortController();

  constructor(options: AuditReaderOptions) {
    this.#options = options;
  }

  /**
   * The newest calls, or those before a page's `next`. A page looks through a bounded number of records
   * and may hold fewer than were asked for; `next` says where to go on. Throws a RefusalError.
   */
  async page(limit: number, before?: bigint): Promise<AuditPage> {
    const bounds = await this.#options.log.bounds(AUDIT_PARTITION);
    if (bounds.kind === "unavailable") {
      return refuse(503, "the audit can't be read: Kafka does not answer. Try again");
    }
    const { epoch, startOffset, endOffset } = bounds;
    const end = before === undefined || before > endOffset ? endOffset : before;
    const slack = end + LIMITS.auditSlack;
    // An outcome stands behind what was intended, often beyond the page's end.
    const later = await this.#read({ epoch, from: end, to: slack < endOffset ? slack : endOffset });
    const outcomes = new Map(later.filter(isOutcome).map(({ record }) => [record.id, record]));
    const views: AuditView[] = [];
    let next = end;
    while (next > startOffset && end - next < LIMITS.auditScan && views.length < limit) {
      const from = next - STEP > startOffset ? next - STEP : startOffset;
      const found = await this.#read({ epoch, from, to: next });
      next = from;
      for (const { offset, record } of found.toReversed()) {
        if (record.end !== undefined) outcomes.set(record.id, record);
        else views.push(viewOf(outcomes.get(record.id) ?? record));
        if (views.length < limit) continue;
        next = offset;
        break;
      }
    }
    return { audit: views, ...(next > startOffset && { next: String(next) }) };
  }

  /** Each record from now on, until `close`. Never rejects. */
  async follow(listener: (view: AuditView) => void): Promise<void> {
    const { log, clock } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const bounds = await log.bounds(AUDIT_PARTITION);
      if (bounds.kind === "bounds") await this.#followFrom(bounds, listener);
      await delay(clock, RETRY_MS, signal);
    }
  }

  close(): void {
    this.#stop.abort();
  }

  /** Until the log can't be read, or is another one. */
  async #followFrom(
    { epoch, endOffset }: { readonly epoch: EpochId; readonly endOffset: bigint },
    listener: (view: AuditView) => void,
  ): Promise<void> {
    const place = { partition: AUDIT_PARTITION, epoch, bytesMax: LIMITS.auditReadBytes };
    let offset = endOffset;
    while (!this.#stop.signal.aborted) {
      const chunk = await this.#options.log.readFrom({ ...place, offset, waitMs: POLL_MS });
      if (chunk.kind !== "chunk") return;
      for (const { record } of this.#recordsIn(chunk.records)) listener(viewOf(record));
      offset = chunk.next;
    }
  }

  /** Throws a RefusalError where it can't be read. */
  async #read({ epoch, from, to }: Range): Promise<Found[]> {
    const found: Found[] = [];
    const place = { partition: AUDIT_PARTITION, epoch, bytesMax: LIMITS.auditReadBytes };
    for (let offset = from; offset < to;) {
      const outcome = await this.#options.log.readFrom({ ...place, offset, waitMs: 0 });
      if (outcome.kind === "below-start") offset = outcome.startOffset;
      else if (outcome.kind !== "chunk") {
        return refuse(503, `the audit can't be read (${outcome.kind}): try again`);
      } else {
        const wanted = outcome.records.filter((record) => record.offset < to);
        found.push(...this.#recordsIn(wanted));
        if (outcome.next === offset) return found;
        offset = outcome.next;
      }
    }
    return found;
  }

  *#recordsIn(records: readonly LogRecord[]): Generator<Found> {
    for (const { offset, value } of records) {
      const record = value === null ? undefined : decodeAudit(value);
      if (record !== undefined) yield { offset, record };
      else
        this.#options.logger.warn(
          { offset: String(offset) },
          "a record of the audit is unreadable",
        );
    }
  }
}

function isOutcome({ record }: Found): boolean {
  return record.end !== undefined;
}

function viewOf({ end, ...names }: AuditRecord): AuditView {
  return { ...names, status: end?.status ?? null, outcome: end?.outcome ?? null };
}
