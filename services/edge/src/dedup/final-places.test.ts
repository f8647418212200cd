import type { EpochId } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { FinalPlaces } from "./final-places.ts";

const HOLD_MS = 50;

let clock: FakeClock;
let left: string[];
let places: FinalPlaces;

beforeEach(() => {
  clock = new FakeClock();
  left = [];
  places = new FinalPlaces(clock, ({ key }) => left.push(key.name));
});

describe("final places on their way to Redis", () => {
  it("travel with their partition's next reservation, and never twice", async () => {
    add("a", "one");
    add("b", "other");
    add("a", "two");
    expect(namesOf("a")).toEqual(["one", "two"]);
    expect(namesOf("a")).toEqual([]);
    await clock.advance(HOLD_MS);
    expect(left).toEqual(["other"]);
  });

  it("leave by themselves after a moment, each time anew", async () => {
    add("a", "one");
    await clock.advance(HOLD_MS - 1);
    expect(left).toEqual([]);
    await clock.advance(1);
    add("a", "two");
    await clock.advance(HOLD_MS);
    expect(left).toEqual(["one", "two"]);
  });

  it("leave at once when their partition has too many", () => {
    for (let index = 0; index <= 1_000; index++) add("a", `${index}`);
    expect(left).toHaveLength(1_001);
    expect(namesOf("a")).toEqual([]);
  });
});

function add(partition: string, name: string): void {
  const key = { epoch: "AAAAAAAA" as EpochId, partition: 0, name };
  places.add(partition, { key, token: "t", pos: "AAAAAAAA.0.1", ts: 1 });
}

function namesOf(partition: string): string[] {
  return places.take(partition).map(({ key }) => key.name);
}
