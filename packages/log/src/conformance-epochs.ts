import { delay, must } from "@millrace/runtime";
import { expect, it } from "vitest";
import {
  appendText,
  epochOf,
  expectAppended,
  foreign,
  read,
  readAll,
  text,
} from "./conformance-steps.ts";
import type { Conformance, ConformanceSubject } from "./conformance.ts";
import type { AppendOutcome, ReadOutcome } from "./port.ts";

const PATIENCE_MS = 20_000;

export function conformanceOfEpochs({ start }: Conformance): void {
  it("knows the incarnation and its partitions once open", async () => {
    const { log } = await start({ partitions: 3 });
    expect(log.epoch?.partitions).toBe(3);
    expect(epochOf(log)).toMatch(/^[A-Za-z0-9_-]{8}$/);
    expect(await log.bounds(2)).toEqual({
      kind: "bounds",
      epoch: epochOf(log),
      startOffset: 0n,
      endOffset: 0n,
    });
  });

  it("answers a position of an earlier incarnation with the new one, never with its records", async () => {
    const subject = await start();
    const { log } = subject;
    await subject.appendForeign(0, foreign("old 0", "old 1"));
    const old = epochOf(log);
    await subject.recreate();
    // More than the old log held, so that nothing about the offset itself gives it away.
    await subject.appendForeign(0, foreign("new 0", "new 1", "new 2", "new 3"));
    const outcome = await otherThan("unavailable", subject, () =>
      read(subject, { offset: 1n, epoch: old }),
    );
    expect(outcome.kind).toBe("other-epoch");
    expect(outcome).toEqual({ kind: "other-epoch", epoch: log.epoch });
    expect(epochOf(log)).not.toBe(old);
    const records = await readAll(subject, { offset: 0n });
    expect(records.map(({ value }) => text(value))).toEqual(["new 0", "new 1", "new 2", "new 3"]);
  });

  it("tells its listeners of a new incarnation before anything of it is handed on", async () => {
    const subject = await start();
    const { log } = subject;
    const old = epochOf(log);
    const heard: string[] = [];
    const ended: string[] = [];
    log.onEpoch(({ id }) => heard.push(id));
    log.onEpoch(({ id }) => ended.push(id))();
    // A reader that waits at the end, as a tail does.
    const poll = otherThan("unavailable", subject, async () => {
      const outcome = await log.readFrom({
        partition: 1,
        offset: 0n,
        epoch: old,
        waitMs: 1_000,
        bytesMax: 1_000,
      });
      const isQuiet = outcome.kind === "chunk" && outcome.records.length === 0;
      return isQuiet ? { kind: "unavailable", why: "nothing yet" } : outcome;
    });
    await subject.recreate();
    await subject.appendForeign(1, foreign("new"));
    const outcome = await poll;
    expect(outcome).toMatchObject({ kind: "other-epoch", epoch: { partitions: 2 } });
    expect(heard).toEqual([epochOf(log)]);
    expect(ended).toEqual([]);
  });

  it("appends to the new incarnation as soon as it knows of it", async () => {
    const subject = await start();
    expectAppended(await appendText(subject, "old"));
    const old = epochOf(subject.log);
    await subject.recreate();
    await otherThan("unavailable", subject, () => read(subject, { offset: 1n, epoch: old }));
    const outcome = await appended(subject, "new");
    expect(outcome).toMatchObject({ epoch: epochOf(subject.log), offset: 0n });
    const records = await readAll(subject, { offset: 0n });
    expect(records.map(({ value }) => text(value))).toEqual(["new"]);
  });
}

/** Asks until something else than that comes, as a cluster needs its time. */
async function otherThan(
  kind: ReadOutcome["kind"],
  { clock }: ConformanceSubject,
  ask: () => Promise<ReadOutcome>,
): Promise<ReadOutcome> {
  const deadlineMs = clock.nowMs() + PATIENCE_MS;
  for (;;) {
    const outcome = await ask();
    if (outcome.kind !== kind || clock.nowMs() > deadlineMs) return outcome;
    await delay(clock, 50);
  }
}

/** Tried again only where it is surely not in the log. */
async function appended(subject: ConformanceSubject, value: string): Promise<AppendOutcome> {
  const outcomes: AppendOutcome[] = [];
  for (let attempt = 0; attempt < 20; attempt++) {
    const outcome = await appendText(subject, value);
    outcomes.push(outcome);
    if (outcome.kind !== "not-appended") break;
    await delay(subject.clock, 200);
  }
  return must(outcomes.at(-1), "an outcome");
}
