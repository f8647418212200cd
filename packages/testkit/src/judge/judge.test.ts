import { must } from "@millrace/runtime";
import { describe, expect, it } from "vitest";
import { bodySum } from "./body-sum.ts";
import type { Stored, Told } from "./evidence.ts";
import { Judge, type JudgeOptions, judge } from "./judge.ts";
import type { OffenceKind } from "./offence.ts";

const C = "room:1";

const stored: readonly Stored[] = [1, 2, 3, 4].map((offset) => ({
  c: C,
  pos: `e.0.${offset}`,
  from: offset % 2 === 0 ? "bob" : "alice",
  key: String(offset),
  body: `body ${offset}`,
  mark: `edge-1~a/${offset}`,
}));

const acknowledged = stored.map(({ c, from, key, pos }) => ({ c, from, key, pos }));

/** What a receiver without a fault is told, that lost its line after the second message. */
function fair(): Told[] {
  const messages = stored.map((message, index) => ({ ...message, t: "msg", prev: `e.0.${index}` }));
  return [
    { t: "subd", c: C, pos: "e.0.0" },
    ...messages.slice(0, 2),
    { t: "subd", c: C, pos: "e.0.2" },
    ...messages.slice(2),
    { t: "live", c: C, pos: "e.0.4" },
  ];
}

/** How often each kind of offence was found. */
function found(told: readonly Told[], options: JudgeOptions = {}): Partial<Record<string, number>> {
  return nonZero(judge({ stored, told: { receiver: told } }, options).counts);
}

function nonZero(counts: Record<OffenceKind, number>): Partial<Record<string, number>> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

describe("the judge of a receiver", () => {
  it("finds nothing where nothing is wrong", () => {
    expect(judge({ stored, told: { receiver: fair() } })).toMatchObject({
      isProved: true,
      messages: 4,
      told: 7,
      unjudged: 0,
    });
  });

  it("begins where the receiver did, and ends where the acknowledged ones do", () => {
    const [, , ...later] = fair();
    expect(found([{ t: "subd", c: C, pos: "e.0.1" }, ...later])).toEqual({});
    const told = { receiver: fair().slice(0, 4) };
    const until = (count: number): unknown =>
      nonZero(
        judge(
          { stored, told, acknowledged: acknowledged.slice(0, count) },
          { owed: "acknowledged" },
        ).counts,
      );
    expect(until(2)).toEqual({});
    expect(until(3)).toEqual({ missing: 1 });
  });

  it.each<[string, (told: Told[]) => Told[], Partial<Record<OffenceKind, number>>]>([
    ["the last one missing", (told) => told.toSpliced(5, 1), { missing: 1 }],
    ["one missing in the middle", (told) => told.toSpliced(4, 1), { missing: 1 }],
    ["one missing, and the next made to fit", withoutSecond, { missing: 1 }],
    ["all of them missing", (told) => told.slice(0, 1), { missing: 4 }],
    ["one twice", (told) => told.toSpliced(2, 0, ...told.slice(1, 2)), { repeated: 1 }],
    ["two swapped", (told) => swapped(told, 4, 5), { inverted: 1 }],
    ["another body", (told) => changed(told, 2, { body: "other" }), { corrupted: 1 }],
    ["another sender", (told) => changed(told, 2, { from: "eve" }), { corrupted: 1 }],
    ["another key", (told) => changed(told, 2, { key: "77" }), { corrupted: 1 }],
    ["one too many", (told) => [...told, foreign()], { foreign: 1 }],
    ["a gap", (told) => [...told, gap("e.0.4", "e.0.9")], { gap: 1 }],
    ["a resume from elsewhere", (told) => changed(told, 3, { pos: "e.0.1" }), { broken: 2 }],
    ["a chain that does not hold", (told) => changed(told, 2, { prev: "e.0.0" }), { broken: 1 }],
  ])("catches %s", (_, doctor, kinds) => {
    expect(found(doctor(fair()))).toEqual(kinds);
  });

  it("lets a gap cover exactly what it names, where gaps are allowed", () => {
    expect(found(withGapTo(2), { gapsAllowed: true })).toEqual({});
    expect(found(withGapTo(1), { gapsAllowed: true })).toEqual({ missing: 1 });
  });

  it("says what and where", () => {
    const { offences } = judge({ stored, told: { "receiver-0": fair().toSpliced(5, 1) } });
    expect(offences).toEqual([
      {
        kind: "missing",
        where: "receiver-0",
        c: C,
        pos: "e.0.4",
        text: "the message at e.0.4 (bob 4) never came",
      },
    ]);
  });

  it("keeps nothing that all receivers have passed, and judges on from there", () => {
    const court = new Judge({ owed: "everything" });
    const frames = fair();
    for (const receiver of ["fast", "slow"]) court.begin(receiver, frames[0] ?? { t: "subd" });
    for (const message of stored) court.stored(message);
    for (const frame of frames) court.told("fast", frame);
    for (const frame of frames.slice(0, 3)) court.told("slow", frame);
    court.prune();
    for (const frame of frames.slice(3)) court.told("slow", frame);
    court.prune();
    // What begins before what is left can be judged only from there on.
    for (const frame of frames) court.told("late", frame);
    expect(court.end()).toMatchObject({ offences: [], unjudged: 4 });
  });
});

describe("the judge of the topic", () => {
  const again = stored.slice(0, 1).map((message) => ({ ...message, pos: "e.0.5" }));

  it("finds nothing where nothing is wrong, a repeated key included", () => {
    expect(judge({ stored, told: {}, acknowledged }).offences).toEqual([]);
    const verdict = judge({ stored: [...stored, ...again], told: {}, acknowledged });
    expect(verdict).toMatchObject({ isProved: true, repeatedKeys: 1 });
  });

  it.each([
    ["edge-1~a/1", "broker"],
    ["edge-1~a/9", "same-edge"],
    ["edge-1~b/1", "other-edge"],
    ["edge-2~c/1", "other-edge"],
    [undefined, "unknown"],
  ])("knows that a second record marked %s is of the kind %s", (mark, origin) => {
    const { mark: _mark, ...bare } = must(again[0], "the copy");
    const copies = [{ ...bare, ...(mark !== undefined && { mark }) }];
    const evidence = { stored: [...stored, ...copies], told: {}, acknowledged };
    const verdict = judge(evidence, { strictKeys: true });
    expect(verdict.repeats).toMatchObject({ [origin]: 1 });
    expect(verdict.offences).toMatchObject([
      { kind: "repeated", pos: "e.0.5", text: expect.stringContaining("e.0.1 stands there again") },
    ]);
  });

  it("catches an acknowledged message that is lost, or stands elsewhere", () => {
    const lost = judge({ stored: stored.slice(0, 3), told: {}, acknowledged });
    expect(nonZero(lost.counts)).toEqual({ lost: 1 });
    const elsewhere = acknowledged.map((message) => ({ ...message, pos: "e.0.9" }));
    expect(judge({ stored, told: {}, acknowledged: elsewhere }).counts.lost).toBe(4);
  });

  it("catches a sender's messages out of order", () => {
    const swappedKeys = stored.map((message, index) => ({ ...message, key: String(9 - index) }));
    expect(nonZero(judge({ stored: swappedKeys, told: {} }).counts)).toEqual({ inverted: 2 });
  });

  it("catches words that are not those that were sent", () => {
    const summed = acknowledged.map((one, index) => ({
      ...one,
      sum: bodySum(`body ${index + 1}`),
    }));
    expect(judge({ stored, told: {}, acknowledged: summed }).offences).toEqual([]);
    const other = stored.map((message) => ({ ...message, body: "other words" }));
    const verdict = judge({ stored: other, told: {}, acknowledged: summed });
    expect(nonZero(verdict.counts)).toEqual({ corrupted: 4 });
  });

  it("catches a message of nobody between those of known publishers", () => {
    const few = acknowledged.filter(({ key }) => key === "1" || key === "4");
    const options = { isComplete: true };
    expect(judge({ stored, told: {}, acknowledged: few }, options).counts.foreign).toBe(2);
    // Who was answered the second place of a key is known by it, too.
    const second = acknowledged.map((one) => (one.key === "1" ? { ...one, pos: "e.0.5" } : one));
    const evidence = { stored: [...stored, ...again], told: {}, acknowledged: second };
    expect(judge(evidence, options).offences).toEqual([]);
  });
});

function withoutSecond(told: readonly Told[]): Told[] {
  return changed([...told].toSpliced(2, 2), 2, { prev: "e.0.1" });
}

function swapped(told: readonly Told[], a: number, b: number): Told[] {
  return told.map(
    (frame, index) => (index === a ? told[b] : index === b ? told[a] : frame) ?? frame,
  );
}

function changed(told: readonly Told[], index: number, change: Partial<Told>): Told[] {
  return told.map((frame, at) => (at === index ? { ...frame, ...change } : frame));
}

/** The first messages are covered up to there, and then the third comes. */
function withGapTo(to: number): Told[] {
  const rest = changed(fair().slice(-3, -1), 0, { prev: `e.0.${to}` });
  return [{ t: "subd", c: C, pos: "e.0.0" }, gap("e.0.0", `e.0.${to}`), ...rest];
}

function gap(after: string, pos: string): Told {
  return { t: "gap", c: C, after, pos };
}

function foreign(): Told {
  const words = { from: "eve", key: "1", body: "not stored" };
  return { t: "msg", c: C, pos: "e.0.5", prev: "e.0.4", ...words };
}
