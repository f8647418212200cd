import { describe, expect, it } from "vitest";
import {
  type Stored,
  type Told,
  offenceOfReceiver,
  offenceOfTopic,
  repeatedKeys,
} from "./judge.ts";

const stored: readonly Stored[] = [1, 2, 3, 4].map((offset) => ({
  c: "room:1",
  pos: `e.0.${offset}`,
  from: offset % 2 === 0 ? "bob" : "alice",
  key: String(offset),
  body: `body ${offset}`,
}));

const END = "e.0.4";

/** What a receiver without a fault is told, that lost its line after the second message. */
function fair(): Told[] {
  const messages = stored.map((message, index) => ({
    ...message,
    t: "msg",
    prev: `e.0.${index}`,
  }));
  const [first, second, ...rest] = messages;
  return [
    { t: "subd", pos: "e.0.0" },
    ...[first, second].filter((message) => message !== undefined),
    { t: "subd", pos: "e.0.2" },
    ...rest,
    { t: "live", pos: "e.0.4" },
  ];
}

describe("the judge of a receiver", () => {
  it("finds nothing where nothing is wrong", () => {
    expect(offenceOfReceiver(stored, fair(), END)).toBeUndefined();
  });

  it("begins where the receiver did, and ends where the replay did", () => {
    const [, , ...later] = fair();
    const told = [{ t: "subd", pos: "e.0.1" }, ...later];
    expect(offenceOfReceiver(stored, told, END)).toBeUndefined();
    const early = fair().slice(0, 4);
    expect(offenceOfReceiver(stored, early, "e.0.2")).toBeUndefined();
    expect(offenceOfReceiver(stored, early, "e.0.3")).toMatch(/never came/);
  });

  it.each<[string, (told: Told[]) => Told[], RegExp]>([
    ["the last one missing", (told) => told.toSpliced(5, 1), /never came/],
    ["one missing in the middle", (told) => told.toSpliced(2, 1), /began at|continues/],
    ["one missing, and the next made to fit", (told) => withoutSecond(told), /is next/],
    ["one twice", (told) => told.toSpliced(2, 0, ...told.slice(1, 2)), /continues/],
    ["two swapped", (told) => swapped(told, 1, 2), /continues/],
    ["another body", (told) => changed(told, 2, { body: "other" }), /not what the topic holds/],
    ["another sender", (told) => changed(told, 2, { from: "eve" }), /not what the topic holds/],
    ["one too many", (told) => [...told, foreign()], /not in the topic/],
    ["a gap", (told) => [...told, { t: "gap", after: "e.0.4", pos: "e.0.9" }], /a gap/],
    ["a resume from elsewhere", (told) => changed(told, 3, { pos: "e.0.1" }), /began at/],
  ])("catches %s", (_, doctor, words) => {
    expect(offenceOfReceiver(stored, doctor(fair()), END)).toMatch(words);
  });
});

describe("the judge of the topic", () => {
  const acknowledged = stored.map(({ c, from, key, pos }) => ({ c, from, key, pos }));

  it("finds nothing where nothing is wrong, a repeated key included", () => {
    expect(offenceOfTopic(stored, acknowledged)).toBeUndefined();
    const repeated = [...stored, ...stored.slice(0, 1).map((m) => ({ ...m, pos: "e.0.5" }))];
    expect(offenceOfTopic(repeated, acknowledged)).toBeUndefined();
    expect(repeatedKeys(repeated)).toBe(1);
  });

  it("catches an acknowledged message that is lost, or stands elsewhere", () => {
    expect(offenceOfTopic(stored.slice(0, 3), acknowledged)).toMatch(/is lost/);
    const elsewhere = acknowledged.map((message) => ({ ...message, pos: "e.0.9" }));
    expect(offenceOfTopic(stored, elsewhere)).toMatch(/stands at/);
  });

  it("catches a sender's messages out of order", () => {
    const swappedOrder = [stored[2], stored[1], stored[0]].filter((m) => m !== undefined);
    expect(offenceOfTopic(swappedOrder, [])).toMatch(/stands behind/);
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

function foreign(): Told {
  return { t: "msg", pos: "e.0.5", prev: "e.0.4", from: "eve", key: "1", body: "not stored" };
}
