import { expect, test } from "vitest";
import { topSelfTimes } from "./cpu-profile.ts";

function node(id: number, functionName: string, url = "") {
  return { id, callFrame: { functionName, url } };
}

test("functions are named by the time they took themselves, and idle time counts for nobody", () => {
  const profile = {
    nodes: [node(1, "(idle)"), node(2, "send"), node(3, "parse", "node:net"), node(4, "send")],
    samples: [1, 2, 3, 4, 1],
    timeDeltas: [0, 7_000, 100, 200, 300],
  };
  expect(topSelfTimes(profile, 2)).toEqual([
    { name: "send", share: 400 / 600 },
    { name: "parse  node:net", share: 200 / 600 },
  ]);
});
