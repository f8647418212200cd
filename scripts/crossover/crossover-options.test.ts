import { expect, test } from "vitest";
import { readCrossoverOptions } from "./crossover-options.ts";
import { crossoverText } from "./crossover-text.ts";
import { crossover } from "./crossover.ts";

const GIVEN = ["--edges=30", "--interest=0.01", "--rate=5000", "--partitions=48"];

test("a fleet is told by four numbers, and every cost may be another", () => {
  const options = readCrossoverOptions([...GIVEN, "--read-us=7", "--piece-heard-us=3.5"]);
  expect(options?.load).toEqual({
    edges: 30,
    interest: 0.01,
    perS: 5_000,
    partitions: 48,
    conversations: 10_000,
  });
  expect(options?.costs.read).toEqual([{ perS: 1, us: 7 }]);
  expect(options?.costs.pieceHeard).toBe(3.5);
});

test("the answer for people names the choice, and what an edge needs for both", () => {
  const options = readCrossoverOptions([...GIVEN, "--read-us=100"]);
  if (options === undefined) throw new Error("no options");
  const text = crossoverText(options.load, crossover(options.load, options.costs));
  expect(text).toMatch(/^direct +50\.0 %/m);
  expect(text).toMatch(/^relay +[\d.]+ %/m);
  expect(text).toMatch(/→ (direct|relay)$/);
});

test.each([
  [[], "--edges is missing"],
  [["--edges=30", "--interest=0.01", "--rate=5000"], "--partitions is missing"],
  [[...GIVEN, "--edges=0"], "--edges must be more than 0"],
  [[...GIVEN, "--edges=2.5"], "--edges must be a whole number"],
  [[...GIVEN, "--interest=2"], "--interest must be a share"],
  [[...GIVEN, "--rate=x"], "--rate must be a number"],
  [[...GIVEN, "--rate=-1"], "--rate must be a number"],
  [[...GIVEN, "--unknown"], "--unknown"],
])("%j is refused", (args, why) => {
  expect(() => readCrossoverOptions(args)).toThrow(why);
});

test("--help asks for the usage alone", () => {
  expect(readCrossoverOptions(["--help"])).toBeUndefined();
});
