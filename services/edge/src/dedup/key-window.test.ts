import type { EpochId } from "@millrace/schemas";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyWindow } from "./key-window.ts";
import { OffsetTable } from "./offset-table.ts";
import { hashOfPublish, nameOfPublish } from "./publish-id.ts";

const EPOCH = "epoch001" as EpochId;
const HOUR_MS = 3_600_000;

describe("the table of offsets", () => {
  it("finds under each hash what was put there, and nothing else", () => {
    const hash = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.maxSafeInteger().map(Math.abs));
    const entry = fc.record({
      hash: hash.filter((value) => value > 0),
      offset: fc.bigInt(0n, 2n ** 62n),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 300 }), (entries) => {
        const table = new OffsetTable();
        for (const { hash: key, offset } of entries) table.add(key, offset);
        expect(table.size).toBe(entries.length);
        for (const key of [...entries.map((one) => one.hash), 31, 2 ** 52 + 1]) {
          const wanted = entries.filter((one) => one.hash === key).map(({ offset }) => offset);
          expect(sorted(table.get(key))).toEqual(sorted(wanted));
        }
      }),
    );
  });
});

describe("the window of keys", () => {
  it("covers nothing before it is told so, and then what it reaches", () => {
    const window = new KeyWindow({ dedupMs: HOUR_MS, keysMax: 100 });
    expect(window.covers(0)).toBe(false);
    window.reset(0, EPOCH);
    window.add(0, { hash: 5, offset: 7n, timestampMs: 10 * HOUR_MS });
    expect(window.covers(0)).toBe(false);
    expect(window.candidates(0, 5)).toEqual([7n]);
    expect(window.candidates(1, 5)).toEqual([]);
    window.known(0, 9 * HOUR_MS);
    expect(window.covers(0)).toBe(true);
    window.reset(0, EPOCH);
    expect(window.covers(0)).toBe(false);
    expect(window.size).toBe(0);
  });

  it("says the first record of a key first, also across slices and older ones that come later", () => {
    const window = new KeyWindow({ dedupMs: HOUR_MS, keysMax: 100 });
    window.reset(0, EPOCH);
    window.add(0, { hash: 5, offset: 9n, timestampMs: 10 * HOUR_MS });
    window.add(0, { hash: 5, offset: 3n, timestampMs: 9.5 * HOUR_MS });
    window.add(0, { hash: 5, offset: 1n, timestampMs: 8.9 * HOUR_MS });
    expect(window.candidates(0, 5)).toEqual([3n, 9n]);
  });

  it("lets go what is older than it must know, by the time of the log", () => {
    const window = new KeyWindow({ dedupMs: HOUR_MS, keysMax: 1_000 });
    window.reset(0, EPOCH);
    window.known(0, -Infinity);
    for (let minute = 0; minute < 300; minute++) {
      window.add(0, { hash: minute + 1, offset: BigInt(minute), timestampMs: minute * 60_000 });
    }
    expect(window.candidates(0, 300)).toEqual([299n]);
    expect(window.candidates(0, 300 - 60)).toEqual([239n]);
    expect(window.candidates(0, 100)).toEqual([]);
    expect(window.size).toBeLessThan(80);
    expect(window.covers(0)).toBe(true);
  });

  it("without room it knows less far back, and says so until time has passed", () => {
    const window = new KeyWindow({ dedupMs: HOUR_MS, keysMax: 50 });
    window.reset(0, EPOCH);
    window.known(0, -Infinity);
    const add = (minute: number): void =>
      window.add(0, { hash: minute + 1, offset: BigInt(minute), timestampMs: minute * 60_000 });
    for (let minute = 0; minute < 51; minute++) add(minute);
    expect(window.size).toBeLessThanOrEqual(50);
    expect(window.covers(0)).toBe(false);
    for (let minute = 60; minute < 120; minute += 5) add(minute);
    expect(window.covers(0)).toBe(true);
  });
});

describe("the id of a publish", () => {
  it("keeps its parts apart", () => {
    const one = { conversation: "room:a", sender: "bc", key: "d" };
    const other = { conversation: "room:ab", sender: "c", key: "d" };
    expect(hashOfPublish(one)).not.toBe(hashOfPublish(other));
    expect(nameOfPublish(one)).not.toBe(nameOfPublish(other));
    expect(hashOfPublish(one)).toBe(hashOfPublish({ ...one }));
  });

  it("spreads over all 53 bits", () => {
    const hashes = Array.from({ length: 20_000 }, (_, index) =>
      hashOfPublish({ conversation: "room:a", sender: "alice", key: `k-${index}` }),
    );
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(new Set(hashes.map((hash) => hash % 64)).size).toBe(64);
    expect(Math.max(...hashes)).toBeGreaterThan(2 ** 52);
    expect(hashes.every(Number.isSafeInteger)).toBe(true);
  });
});

function sorted(offsets: readonly bigint[]): bigint[] {
  return offsets.toSorted((one, other) => (one < other ? -1 : 1));
}
