import { afterAll, beforeAll, expect, test } from "vitest";
import { BenchStage } from "../stage/bench-stage.ts";
import { acrossEdges, spreadOver } from "./fleet.ts";
import type { Bench, ScenarioResult } from "./measured.ts";
import { rebalance } from "./rebalance.ts";
import { relayRaised } from "./relay-raised.ts";
import { relayRecords } from "./relay-records.ts";

const VARIANT = { name: "as it comes", env: {} };
const IS_FULL = process.env["MILLRACE_FULL"] === "1";

/** A machine that others use, too, is told of, and is nothing that a scenario got wrong. */
const DISTURBED = /load side|other processes|also read by an edge|unavailable/;

let bench: Bench;

beforeAll(async () => {
  const stage = await BenchStage.open({
    cores: undefined,
    loadProcesses: 1,
    profileFolder: undefined,
    tell: () => undefined,
  });
  const wishes = { seed: 1, isQuick: true, patienceS: 0, p99MsMax: 0 };
  const windows = { warmUpS: 0.5, seconds: 1 };
  bench = { stage, ...wishes, tell: () => undefined, scale: 0.05, windows };
});

afterAll(() => bench.stage.close());

function expectWhole({ notes, figures }: ScenarioResult): void {
  expect(notes.filter((note) => !DISTURBED.test(note))).toEqual([]);
  expect(figures?.publishesPerS).toBeGreaterThan(1);
}

test("what is written on one edge of the benchmark is read on the other, by the relay", async () => {
  const result = await acrossEdges("fleet-relay", "relay")(bench, VARIANT);
  expectWhole(result);
  expect(result.figures?.deliveriesPerS).toBeGreaterThan(result.figures?.publishesPerS ?? 0);
  expect(Object.keys(result.figures?.edgeCpus ?? {})).toEqual(["one", "two"]);
});

test.runIf(IS_FULL)(
  "the clients of one edge are spread over several, and miss nothing of each other",
  async () => {
    const result = await spreadOver("fleet-three", 2, "direct")(bench, VARIANT);
    expectWhole(result);
    expect(result.figures?.deliveriesPerS).toBeGreaterThan(result.figures?.publishesPerS ?? 0);
  },
);

test.runIf(IS_FULL)(
  "each record that is relayed is counted with the pieces that Redis carried",
  async () => {
    const result = await relayRaised(bench, VARIANT);
    expectWhole(result);
    expect(result.figures?.deliveriesPerS).toBeGreaterThan(1);
    expect(result.more["pieces/s"]).toBeGreaterThan(1);
  },
);

test("the same records are read, relayed and said by three edges, whose costs are told apart", async () => {
  const { more, steps = [], notes } = await relayRecords("relay-records", [200])(bench, VARIANT);
  expect(notes.filter((note) => !DISTURBED.test(note))).toEqual([]);
  expect(Object.values(more).every(Number.isFinite)).toBe(true);
  const [discarded, wanted] = steps.slice(-2);
  expect(discarded?.deliveriesPerS).toBe(0);
  expect(wanted?.deliveriesPerS).toBeGreaterThan(1);
});

test("a group of members has settled when each partition has one owner again", async () => {
  const group = { members: 3, partitions: 12 };
  const { more } = await rebalance("rebalance", group)(bench, VARIANT);
  expect(more["ms of a join (median)"]).toBeGreaterThan(0);
  expect(more["ms of a leave (median)"]).toBeGreaterThan(0);
  // Nobody can know of it before the session has timed out.
  expect(more["ms after a kill"]).toBeGreaterThan(3_000);
});
