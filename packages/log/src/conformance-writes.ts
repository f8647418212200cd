import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import {
  type ShortAppend,
  append,
  appendText,
  bytes,
  epochOf,
  expectAppended,
  readAll,
  text,
} from "./conformance-steps.ts";
import type { Conformance, ConformanceSubject } from "./conformance.ts";
import type { AppendOutcome } from "./port.ts";

/** Above what any broker with default settings takes in one batch. */
/** Noise, so that no compression makes it fit. */
const OVERSIZED = new Uint8Array(randomBytes(1_200_000));

/** What makes an append fail. */
type Failing = Pick<ShortAppend, "deadlineMs" | "isStillWanted"> & { readonly value?: Uint8Array };

export function conformanceOfWrites({ start }: Conformance): void {
  it("puts a record into the log as it was given", async () => {
    const subject = await start();
    const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index);
    const headers = [{ name: "kind", value: everyByte }];
    const outcome = expectAppended(await append(subject, everyByte, { key: everyByte, headers }));
    const [record] = await readAll(subject, { offset: 0n });
    expect(outcome).toEqual({
      kind: "appended",
      epoch: epochOf(subject.log),
      offset: 0n,
      timestampMs: record?.timestampMs,
    });
    expect(Buffer.from(record?.key ?? "").equals(everyByte)).toBe(true);
    expect(Buffer.from(record?.value ?? "").equals(everyByte)).toBe(true);
    // A writer may add headers of its own.
    const kind = record?.headers.filter(({ name }) => name === "kind") ?? [];
    expect(kind.map(({ value }) => Buffer.from(value))).toEqual([Buffer.from(everyByte)]);
  });

  it("appends a tombstone as a record without a value, among others", async () => {
    const subject = await start();
    const outcomes = [bytes("before"), null, new Uint8Array(), bytes("behind")].map((value) =>
      append(subject, value),
    );
    for (const outcome of await Promise.all(outcomes)) expectAppended(outcome);
    const records = await readAll(subject, { offset: 0n });
    const values = records.map(({ value }) => (value === null ? null : text(value)));
    expect(values).toEqual(["before", null, "", "behind"]);
    expect(records.map(({ key }) => text(key))).toEqual(Array(4).fill("key"));
  });

  it("appends a thousand records of each of two partitions in order, each once", async () => {
    const subject = await start();
    const told: string[][] = [[], []];
    const outcomes: Promise<AppendOutcome>[][] = [[], []];
    for (let index = 0; index < 1_000; index++) {
      for (const partition of [0, 1]) {
        const value = `${partition}-${index}`;
        const onOutcome = (): unknown => told[partition]?.push(value);
        outcomes[partition]?.push(appendText(subject, value, { partition, onOutcome }));
      }
      // Gaps in the stream, so that many batches are made.
      if (index % 100 === 99) await outcomes[index % 200 === 99 ? 0 : 1]?.at(-50);
    }
    for (const partition of [0, 1]) {
      const appended = (await Promise.all(outcomes[partition] ?? [])).map(expectAppended);
      const values = Array.from({ length: 1_000 }, (_, index) => `${partition}-${index}`);
      expect(told[partition]).toEqual(values);
      expect(appended.map(({ offset }) => Number(offset))).toEqual([...values.keys()]);
      const records = await readAll(subject, { partition, offset: 0n });
      expect(records.map(({ value }) => text(value))).toEqual(values);
      expect(records.map(({ offset }) => Number(offset))).toEqual([...values.keys()]);
      const times = appended.map(({ timestampMs }) => timestampMs);
      expect(records.map(({ timestampMs }) => timestampMs)).toEqual(times);
    }
  });

  it("never tells an outcome before the append has returned", async () => {
    const subject = await start();
    const late = subject.clock.nowMs() - 1;
    const told: AppendOutcome[] = [];
    const onOutcome = (outcome: AppendOutcome): unknown => told.push(outcome);
    const outcomes = [
      appendText(subject, "appended", { onOutcome }),
      appendText(subject, "late", { onOutcome, deadlineMs: late }),
      appendText(subject, "unwanted", { onOutcome, isStillWanted: () => false }),
      append(subject, OVERSIZED, { onOutcome }),
    ];
    expect(told).toEqual([]);
    await Promise.all(outcomes);
    expect(told.map(({ kind }) => kind)).toEqual([
      "appended",
      "not-appended",
      "withdrawn",
      "refused",
    ]);
  });

  it("refuses one oversized record among fifty, and appends the others in order", async () => {
    const subject = await start();
    const { told, appendNext } = recorder(subject);
    const outcomes = Array.from({ length: 50 }, (_, index) =>
      appendNext(`${index}`, index === 24 ? OVERSIZED : bytes(`${index}`)),
    );
    const refused = (await Promise.all(outcomes))[24];
    expect(refused).toEqual({ kind: "refused", code: "too-large" });
    expect(told).toEqual(
      Array.from({ length: 50 }, (_, index) => `${index} ${index === 24 ? "refused" : "appended"}`),
    );
    await expectValues(
      subject,
      Array.from({ length: 50 }, (_, index) => `${index}`).filter((value) => value !== "24"),
    );
  });

  it("refuses several oversized records, wherever they stand, each by itself", async () => {
    const subject = await start();
    const { told, appendNext } = recorder(subject);
    const isOversized = [true, true, false, true, false, false, true];
    const outcomes = isOversized.map((oversized, index) =>
      appendNext(`${index}`, oversized ? OVERSIZED : bytes(`${index}`)),
    );
    await Promise.all(outcomes);
    expect(told).toEqual(
      isOversized.map((oversized, index) => `${index} ${oversized ? "refused" : "appended"}`),
    );
    await expectValues(subject, ["2", "4", "5"]);
  });

  it("does not append a record whose deadline has passed, and tells it in its turn", async () => {
    const subject = await start();
    const { told, appendNext } = recorder(subject);
    const late = { deadlineMs: subject.clock.nowMs() - 1 };
    const outcomes = [
      appendNext("first"),
      appendNext("late", bytes("late"), late),
      appendNext("second"),
    ];
    await Promise.all(outcomes);
    expect(told).toEqual(["first appended", "late not-appended", "second appended"]);
    await expectValues(subject, ["first", "second"]);
  });

  it("leaves out a record that is no longer wanted", async () => {
    const subject = await start();
    const { told, appendNext } = recorder(subject);
    let asked = 0;
    const unwanted = { isStillWanted: () => asked++ < 0 };
    const outcomes = [
      appendNext("first", bytes("first"), { isStillWanted: () => true }),
      appendNext("unwanted", bytes("unwanted"), unwanted),
      appendNext("second", bytes("second"), { isStillWanted: () => true }),
    ];
    await Promise.all(outcomes);
    expect(asked).toBeGreaterThan(0);
    expect(told).toEqual(["first appended", "unwanted withdrawn", "second appended"]);
    await expectValues(subject, ["first", "second"]);
  });

  it.each<{ kind: string; failing: (nowMs: number) => Failing }>([
    { kind: "refused", failing: () => ({ value: OVERSIZED }) },
    { kind: "not-appended", failing: (nowMs) => ({ deadlineMs: nowMs - 1 }) },
    { kind: "withdrawn", failing: () => ({ isStillWanted: () => false }) },
  ])(
    "asks whether a record is wanted only when what was $kind before it has been told",
    async ({ kind, failing }) => {
      const subject = await start();
      const { told, appendNext } = recorder(subject);
      const { value = bytes("failing"), ...request } = failing(subject.clock.nowMs());
      const hasFailed = (): boolean => told.some((line) => line.startsWith("failing"));
      const isStillWanted = (): boolean => !hasFailed();
      const outcomes = [
        appendNext("ahead", bytes("ahead"), { isStillWanted }),
        appendNext("failing", value, request),
        appendNext("behind", bytes("behind"), { isStillWanted }),
        appendNext("beside", bytes("beside")),
        appendNext("last", bytes("last"), { isStillWanted }),
      ];
      await Promise.all(outcomes);
      expect(told).toEqual([
        "ahead appended",
        `failing ${kind}`,
        "behind withdrawn",
        "beside appended",
        "last withdrawn",
      ]);
      await expectValues(subject, ["ahead", "beside"]);
    },
  );

  it("tells every append its outcome once when it is closed, and takes nothing more", async () => {
    const subject = await start();
    const { told, appendNext } = recorder(subject);
    const outcomes = Array.from({ length: 200 }, (_, index) => appendNext(`${index}`));
    await subject.log.close({ settleMs: 10_000 });
    await Promise.all(outcomes);
    const late = await appendNext("late");
    expect(told.map((line) => line.split(" ")[0])).toEqual([
      ...Array.from({ length: 200 }, (_, index) => `${index}`),
      "late",
    ]);
    // What is in the log is a run from the first one on: nothing behind an unsent one was sent.
    const kinds = told.map((line) => line.split(" ")[1]);
    const appended = kinds.filter((kind) => kind === "appended").length;
    expect(kinds.slice(0, appended)).toEqual(Array(appended).fill("appended"));
    expect(kinds.slice(appended)).toEqual(Array(201 - appended).fill("not-appended"));
    expect(late.kind).toBe("not-appended");
    const read = await subject.log.readFrom({
      partition: 0,
      offset: 0n,
      epoch: epochOf(subject.log),
      waitMs: 0,
      bytesMax: 1_000,
    });
    expect(read.kind).toBe("unavailable");
  });
}

/** Appends by name, and what they were told, in the order of telling. */
function recorder(subject: ConformanceSubject) {
  const told: string[] = [];
  const appendNext = (
    name: string,
    value: Uint8Array = bytes(name),
    request: ShortAppend = {},
  ): Promise<AppendOutcome> =>
    append(subject, value, {
      ...request,
      onOutcome: ({ kind }) => void told.push(`${name} ${kind}`),
    });
  return { told, appendNext };
}

async function expectValues(subject: ConformanceSubject, values: readonly string[]): Promise<void> {
  const records = await readAll(subject, { offset: 0n });
  expect(records.map(({ value }) => text(value))).toEqual(values);
}
