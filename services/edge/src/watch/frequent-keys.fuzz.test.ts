import * as fc from "fast-check";
import { expect, it } from "vitest";
import { FrequentKeys } from "./frequent-keys.ts";

const RUNS = process.env["MILLRACE_FULL"] === "1" ? 5_000 : 400;

/** Skewed as chats are: a few names often, most of them hardly ever; some end alike. */
const name = fc.oneof(
  { weight: 4, arbitrary: fc.nat(3).map((index) => `room:${index}`) },
  { weight: 3, arbitrary: fc.nat(40).map((index) => `room:${index}`) },
  { weight: 2, arbitrary: fc.nat(9).map((index) => `${index}:which all end the same way`) },
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 70, unit: "binary" }) },
);

/** One name over and over, or many. */
const run = fc.oneof(
  fc.array(name, { minLength: 1, maxLength: 60 }),
  fc.tuple(name, fc.integer({ min: 1, max: 60 })).map(([one, times]) => {
    return Array.from({ length: times }, () => one);
  }),
);

const stream = fc.array(run, { maxLength: 12 }).map((runs) => runs.flat());

it("Each key with more than its share is found, and no count is too high or far too low", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.array(stream, { minLength: 1, maxLength: 3 }),
      (counters, streams) => {
        const keys = new FrequentKeys(counters);
        // What came before a clearing counts no more.
        for (const names of streams) {
          keys.clear();
          for (const one of names) keys.take(Buffer.from(one));
          expectBounds(keys, names, counters);
        }
      },
    ),
    { numRuns: RUNS },
  );
});

it("A key that is no conversation's for its length is not counted", () => {
  const keys = new FrequentKeys(4);
  keys.take(Buffer.alloc(0));
  keys.take(Buffer.alloc(201, "x"));
  keys.take(Buffer.alloc(200, "x"));
  expect(keys.all()).toEqual([{ key: new Uint8Array(200).fill(0x78), count: 1 }]);
});

function expectBounds(keys: FrequentKeys, names: readonly string[], counters: number): void {
  const exact = new Map<string, number>();
  for (const one of names) exact.set(one, (exact.get(one) ?? 0) + 1);
  const found = keys.all().map(({ key, count }) => [Buffer.from(key).toString(), count] as const);
  const counted = new Map(found);
  expect(counted.size).toBe(found.length);
  expect(found.length).toBeLessThanOrEqual(counters);
  const errorMax = names.length / (counters + 1);
  for (const [one, times] of exact) {
    const count = counted.get(one) ?? 0;
    expect(count).toBeLessThanOrEqual(times);
    expect(count).toBeGreaterThanOrEqual(times - errorMax);
    if (times > errorMax) expect(counted.has(one)).toBe(true);
  }
  for (const one of counted.keys()) expect(exact.has(one)).toBe(true);
}
