import { expect, test } from "vitest";
import { parseBenchOptions } from "./bench-options.ts";

const KNOWN = ["floor-uws-chat", "floor-uws-idle", "chat", "chat-raised"];

function optionsOf(...args: string[]) {
  const parsed = parseBenchOptions(args, KNOWN);
  if (parsed.kind !== "run") throw new Error(JSON.stringify(parsed));
  return parsed.options;
}

test("without a name all scenarios run, and a floor's own name means all of that floor", () => {
  expect(optionsOf().scenarios).toEqual(KNOWN);
  expect(optionsOf("chat").scenarios).toEqual(["chat"]);
  expect(optionsOf("chat", "floor-uws").scenarios).toEqual([
    "floor-uws-chat",
    "floor-uws-idle",
    "chat",
  ]);
});

test("a variant is another environment of the edge, beside the edge as it comes", () => {
  const big = "big:NODE_OPTIONS=--max-semi-space-size=64";
  const slow = "slow:EDGE_PING_MS=100,EDGE_LOG_LEVEL=debug";
  expect(optionsOf("--variant", slow, "--variant", big).variants).toEqual([
    { name: "as it comes", env: {} },
    { name: "slow", env: { EDGE_PING_MS: "100", EDGE_LOG_LEVEL: "debug" } },
    { name: "big", env: { NODE_OPTIONS: "--max-semi-space-size=64" } },
  ]);
});

test.each([
  ["nonsense"],
  ["--variant=slow"],
  ["--variant=slow:PATH=x"],
  ["--variant=slow:EDGE_PING_MS=1,PATH=x"],
  ["--seed=x"],
  ["--unknown"],
])("%s is refused before anything is started", (arg) => {
  expect(parseBenchOptions([arg], KNOWN).kind).toBe("wrong");
});
