import { type AppendRequest, type Log, type MemoryLog, createMemoryLog } from "@millrace/log";
import { silentLogger, systemClock } from "@millrace/runtime";
import { type AuditRecord, decodeAudit } from "@millrace/schemas/record";
import { waitFor } from "@millrace/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import type { AuditView } from "../api/views.ts";
import { AuditJournal } from "./audit-journal.ts";
import { AuditReader } from "./audit-reader.ts";

const INTENT = { operator: "olga", address: "127.0.0.1", action: "move", parameters: { p: 1 } };
const DONE = { status: 200, outcome: "done" };

let log: MemoryLog;
let journal: AuditJournal;
let reader: AuditReader;

beforeEach(async () => {
  log = createMemoryLog();
  await log.open();
  const parts = { log, clock: systemClock, logger: silentLogger };
  journal = new AuditJournal(parts);
  reader = new AuditReader(parts);
});

async function begun(number: number): Promise<AuditRecord> {
  return journal.begin({ ...INTENT, parameters: { number } });
}

/** All pages, from the newest on. */
async function paged(limit: number): Promise<AuditView[]> {
  const views: AuditView[] = [];
  let before: bigint | undefined;
  for (;;) {
    const { audit, next } = await reader.page(limit, before);
    expect(audit.length).toBeLessThanOrEqual(limit);
    views.push(...audit);
    if (next === undefined) return views;
    before = BigInt(next);
  }
}

const numbers = (views: readonly AuditView[]): unknown[] =>
  views.map(({ parameters }) => parameters["number"]);

describe("the audit", () => {
  it("has what was intended, and how it ended once it has", async () => {
    const record = await begun(1);
    const before = { ...INTENT, parameters: { number: 1 }, id: record.id, atMs: record.atMs };
    expect((await reader.page(10)).audit).toEqual([{ ...before, status: null, outcome: null }]);
    await journal.end(record, { status: 503, outcome: "Kafka is away" });
    expect((await reader.page(10)).audit).toEqual([
      { ...before, status: 503, outcome: "Kafka is away" },
    ]);
  });

  it("is read in pages of any size, each call once, with outcomes that came much later", async () => {
    const records: AuditRecord[] = [];
    for (let number = 0; number < 50; number++) records.push(await begun(number));
    for (const record of records) await journal.end(record, DONE);
    for (const limit of [1, 7, 50, 500]) {
      const views = await paged(limit);
      expect(numbers(views)).toEqual(records.map((_, index) => 49 - index));
      expect(views.every(({ status }) => status === 200)).toBe(true);
    }
  });

  it("steps over what nobody can read", async () => {
    const record = await begun(1);
    const nonsense = { key: null, value: Buffer.from("nonsense") };
    log.topic.appendForeign(0, [nonsense, { key: null, value: null }]);
    await journal.end(record, DONE);
    expect(numbers((await reader.page(10)).audit)).toEqual([1]);
  });

  it("lets nothing be done that it could not take", async () => {
    const away = new AuditJournal({
      log: createMemoryLog(),
      clock: systemClock,
      logger: silentLogger,
    });
    await expect(away.begin(INTENT)).rejects.toThrow("nothing was done");
    expect((await reader.page(10)).audit).toEqual([]);
  });

  it("says of what it may have taken too late that nothing was done", async () => {
    const written: AuditRecord[] = [];
    const slow = {
      epoch: "e",
      append: ({ value, onOutcome }: AppendRequest) => {
        const record = value === null ? undefined : decodeAudit(value);
        if (record !== undefined) written.push(record);
        onOutcome({ kind: "unknown" });
      },
    } as unknown as Log;
    const late = new AuditJournal({ log: slow, clock: systemClock, logger: silentLogger });
    await expect(late.begin(INTENT)).rejects.toThrow("nothing was done");
    expect(written).toMatchObject([
      INTENT,
      {
        id: written[0]?.id,
        end: { status: 503, outcome: expect.stringMatching(/^nothing was done/) },
      },
    ]);
  });

  it("tells whoever follows as things happen", async () => {
    await begun(0);
    const told: AuditView[] = [];
    void reader.follow((view) => told.push(view));
    const numbersTold = async (): Promise<boolean> => {
      if (told.length > 0) return true;
      await begun(1);
      return false;
    };
    await waitFor(numbersTold, { what: "it follows" });
    expect(numbers(told)).not.toContain(0);
    reader.close();
  });
});
