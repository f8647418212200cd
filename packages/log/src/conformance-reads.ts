import { delay } from "@millrace/runtime";
import { expect, it } from "vitest";
import {
  appendText,
  bytes,
  epochOf,
  expectAppended,
  foreign,
  read,
  readAll,
  readChunk,
  text,
  walk,
} from "./conformance-steps.ts";
import type { Conformance } from "./conformance.ts";

const LONG_POLL_MS = 6_000;

/** More than the clocks of log and test can differ on one machine. */
const SLACK_MS = 2_000;

export function conformanceOfReads({ start, can }: Conformance): void {
  it("answers at once at the end of an empty log", async () => {
    const subject = await start();
    const startMs = subject.clock.nowMs();
    const chunk = await readChunk(subject, { offset: 0n });
    expect(chunk).toMatchObject({ from: 0n, next: 0n, endOffset: 0n, records: [], bytes: 0 });
    expect(chunk).toMatchObject({ partition: 0, epoch: epochOf(subject.log) });
    expect(subject.clock.nowMs() - startMs).toBeLessThan(LONG_POLL_MS);
  });

  it("reads from exactly the offset that is asked for, also in the middle of a batch", async () => {
    const subject = await start();
    const values = ["a", "b", "c", "d", "e", "f", "g"];
    expect(await subject.appendForeign(0, foreign(...values.slice(0, 5)))).toBe(0n);
    expect(await subject.appendForeign(0, foreign(...values.slice(5)))).toBe(5n);
    for (const [index] of values.entries()) {
      const records = await readAll(subject, { offset: BigInt(index) });
      expect(records.map(({ value }) => text(value))).toEqual(values.slice(index));
      expect(records[0]?.offset).toBe(BigInt(index));
    }
    expect(await readAll(subject, { offset: 7n })).toEqual([]);
  });

  it("reads each partition by itself", async () => {
    const subject = await start();
    await subject.appendForeign(0, foreign("zero"));
    await subject.appendForeign(1, foreign("one", "two"));
    const values = await readAll(subject, { partition: 1, offset: 0n });
    expect(values.map(({ value }) => text(value))).toEqual(["one", "two"]);
    expect(await readChunk(subject, { partition: 1, offset: 2n })).toMatchObject({ partition: 1 });
  });

  it("gets on with a chunk far smaller than a record, and returns each record once", async () => {
    const subject = await start();
    const values = Array.from({ length: 12 }, (_, index) => `${index}`.repeat(300));
    await subject.appendForeign(0, foreign(...values.slice(0, 6)));
    await subject.appendForeign(0, foreign(...values.slice(6)));
    const records = await readAll(subject, { offset: 0n, bytesMax: 1 });
    expect(records.map(({ value }) => text(value))).toEqual(values);
  });

  it("counts the bytes of keys, values and headers", async () => {
    const subject = await start();
    const headers = [{ name: "name", value: bytes("12345") }];
    await subject.appendForeign(0, [{ key: bytes("123"), value: bytes("1234567"), headers }]);
    expect((await readChunk(subject, { offset: 0n })).bytes).toBe(3 + 7 + 4 + 5);
  });

  it("returns keys, values and headers as they were written", async () => {
    const subject = await start();
    const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index);
    const headers = [
      { name: "ключ", value: everyByte },
      { name: "", value: bytes("") },
    ];
    await subject.appendForeign(0, [
      { key: everyByte, value: everyByte, headers },
      { key: null, value: bytes(""), headers: [] },
      { key: bytes(""), value: null, headers: [] },
    ]);
    const [first, second, third] = await readAll(subject, { offset: 0n });
    expect(Buffer.from(first?.key ?? "").equals(everyByte)).toBe(true);
    expect(Buffer.from(first?.value ?? "").equals(everyByte)).toBe(true);
    expect(first?.headers.map(({ name }) => name)).toEqual(["ключ", ""]);
    expect(Buffer.from(first?.headers[0]?.value ?? "").equals(everyByte)).toBe(true);
    expect([second?.key, text(second?.value ?? null)]).toEqual([null, ""]);
    expect([text(third?.key ?? null), third?.value]).toEqual(["", null]);
  });

  it("steps over offsets without a record, before, between and behind records", async () => {
    const subject = await start();
    await subject.appendHole(0);
    const first = await subject.appendForeign(0, foreign("a", "b"));
    await subject.appendHole(0);
    const second = await subject.appendForeign(0, foreign("c"));
    await subject.appendHole(0);
    expect(first).toBeGreaterThan(0n);
    expect(second).toBeGreaterThan(first + 2n);
    const bounds = await subject.log.bounds(0);
    const chunks = await walk(subject, { offset: 0n });
    expect(bounds).toMatchObject({ kind: "bounds", endOffset: chunks.at(-1)?.next });
    const records = chunks.flatMap((chunk) => chunk.records);
    expect(records.map(({ value }) => text(value))).toEqual(["a", "b", "c"]);
    expect(records.map(({ offset }) => offset)).toEqual([first, first + 1n, second]);
    // From within a hole, and from within the one at the end.
    expect((await readAll(subject, { offset: second - 1n })).map((r) => r.offset)).toEqual([
      second,
    ]);
    expect(await readAll(subject, { offset: second + 1n })).toEqual([]);
  });

  it("says where the log begins to who asks for what retention has passed", async () => {
    const subject = await start();
    await subject.appendForeign(0, foreign("a", "b", "c", "d"));
    await subject.deleteBefore(0, 2n);
    expect(await read(subject, { offset: 0n })).toEqual({ kind: "below-start", startOffset: 2n });
    expect(await read(subject, { offset: 1n })).toEqual({ kind: "below-start", startOffset: 2n });
    const records = await readAll(subject, { offset: 2n });
    expect(records.map(({ value }) => text(value))).toEqual(["c", "d"]);
    const bounds = await subject.log.bounds(0);
    expect(bounds).toMatchObject({ kind: "bounds", startOffset: 2n, endOffset: 4n });
    expect(await subject.log.offsetAtTime(0, 0)).toMatchObject({ kind: "offset", offset: 2n });
  });

  it("says where the log ends to who asks for what is beyond it", async () => {
    const subject = await start();
    await subject.appendForeign(0, foreign("a", "b"));
    expect(await readChunk(subject, { offset: 2n })).toMatchObject({ next: 2n, records: [] });
    expect(await read(subject, { offset: 3n })).toEqual({ kind: "beyond-end", endOffset: 2n });
    const far = await read(subject, { offset: 2n ** 62n });
    expect(far).toEqual({ kind: "beyond-end", endOffset: 2n });
    const patient = await read(subject, { offset: 3n, waitMs: 500 });
    expect(patient).toEqual({ kind: "beyond-end", endOffset: 2n });
  });

  it("wakes a long poll with the append it waits for", async () => {
    const subject = await start();
    const startMs = subject.clock.nowMs();
    const poll = readChunk(subject, { offset: 0n, waitMs: LONG_POLL_MS });
    await delay(subject.clock, 100);
    expectAppended(await appendText(subject, "wake"));
    const chunk = await poll;
    expect(chunk.records.map(({ value }) => text(value))).toEqual(["wake"]);
    expect(subject.clock.nowMs() - startMs).toBeLessThan(LONG_POLL_MS / 2);
  });

  it("ends a long poll empty-handed when its time is over", async () => {
    const subject = await start();
    await readChunk(subject, { offset: 0n });
    const startMs = subject.clock.nowMs();
    const chunk = await readChunk(subject, { offset: 0n, waitMs: 400 });
    expect(chunk).toMatchObject({ from: 0n, next: 0n, records: [] });
    expect(subject.clock.nowMs() - startMs).toBeGreaterThan(300);
    expect(subject.clock.nowMs() - startMs).toBeLessThan(400 + SLACK_MS);
  });

  it("lets long polls of several partitions wait side by side with reads that don't", async () => {
    const subject = await start();
    const startMs = subject.clock.nowMs();
    const polls = [0, 1].map((partition) =>
      readChunk(subject, { partition, offset: 0n, waitMs: LONG_POLL_MS }),
    );
    await readChunk(subject, { offset: 0n });
    expect((await subject.log.bounds(1)).kind).toBe("bounds");
    expectAppended(await appendText(subject, "one", { partition: 1 }));
    expect((await polls[1])?.records).toHaveLength(1);
    expectAppended(await appendText(subject, "zero"));
    expect((await polls[0])?.records).toHaveLength(1);
    expect(subject.clock.nowMs() - startMs).toBeLessThan(LONG_POLL_MS);
  });

  it("answers a long poll while another one waits further on in the same partition", async () => {
    const subject = await start();
    await subject.appendForeign(0, foreign("there"));
    let isAnswered = false;
    const ahead = readChunk(subject, { offset: 1n, waitMs: LONG_POLL_MS }).finally(() => {
      isAnswered = true;
    });
    const behind = await readChunk(subject, { offset: 0n, waitMs: LONG_POLL_MS });
    expect(behind.records.map(({ value }) => text(value))).toEqual(["there"]);
    expect(isAnswered).toBe(false);
    expectAppended(await appendText(subject, "next"));
    expect((await ahead).records).toHaveLength(1);
  });

  it("gives each record the log's own time, and finds the first record since a time", async () => {
    const subject = await start();
    const { clock, log } = subject;
    const beforeMs = clock.wallMs();
    const first = expectAppended(await appendText(subject, "first"));
    await delay(clock, 50);
    const second = expectAppended(await appendText(subject, "second"));
    await appendText(subject, "third");
    const records = await readAll(subject, { offset: 0n });
    const times = records.map(({ timestampMs }) => timestampMs);
    expect(times.slice(0, 2)).toEqual([first.timestampMs, second.timestampMs]);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(first.timestampMs).toBeGreaterThan(beforeMs - SLACK_MS);
    expect(first.timestampMs).toBeLessThan(clock.wallMs() + SLACK_MS);
    const offsetAt = async (timeMs: number) => (await log.offsetAtTime(0, timeMs)) as object;
    expect(await offsetAt(0)).toMatchObject({ kind: "offset", offset: 0n });
    expect(await offsetAt(first.timestampMs)).toMatchObject({ offset: 0n });
    expect(await offsetAt(first.timestampMs + 1)).toMatchObject({ offset: 1n });
    expect(await offsetAt(second.timestampMs)).toMatchObject({ offset: 1n });
    const none = { kind: "offset", epoch: epochOf(log), offset: 3n };
    expect(await offsetAt(clock.wallMs() + 3_600_000)).toEqual(none);
  });

  it.runIf(can("large-offsets"))("reads and appends offsets above 2^53 exactly", async () => {
    const startOffset = 2n ** 53n + 1n;
    const subject = await start({ startOffset });
    await subject.appendForeign(0, foreign("a", "b"));
    expect(expectAppended(await appendText(subject, "c")).offset).toBe(startOffset + 2n);
    for (const [index, value] of ["a", "b", "c"].entries()) {
      const chunk = await readChunk(subject, { offset: startOffset + BigInt(index) });
      expect(chunk.from).toBe(startOffset + BigInt(index));
      expect(chunk.records[0]?.offset).toBe(chunk.from);
      expect(text(chunk.records[0]?.value ?? null)).toBe(value);
    }
    const below = await read(subject, { offset: startOffset - 1n });
    expect(below).toEqual({ kind: "below-start", startOffset });
  });

  it.runIf(can("truncation"))("says so when the log has lost its tail", async () => {
    const subject = await start();
    await subject.appendForeign(0, foreign("a", "b", "c", "d"));
    await subject.truncate?.(0, 2n);
    expect(await read(subject, { offset: 4n })).toEqual({ kind: "beyond-end", endOffset: 2n });
    const poll = await read(subject, { offset: 3n, waitMs: LONG_POLL_MS });
    expect(poll).toEqual({ kind: "beyond-end", endOffset: 2n });
    expect(expectAppended(await appendText(subject, "again")).offset).toBe(2n);
    const records = await readAll(subject, { offset: 0n });
    expect(records.map(({ value }) => text(value))).toEqual(["a", "b", "again"]);
  });
}
