import { describe, expect, it } from "vitest";
import type { Overview } from "../overview/overview.ts";
import { groupOf, overviewFrom } from "../testing/edge-reports.ts";
import { type Change, forecast } from "./redistribution.ts";

const SHARED = groupOf({ "edge-1": [0, 1], "edge-2": [2, 3] });

function movesOf(overview: Overview, change: Change) {
  const { moves, isForetold } = forecast(overview, change);
  expect(isForetold).toBe(true);
  return moves;
}

describe("what would change hands", () => {
  it("is nothing where the shares are right already", () => {
    expect(movesOf(overviewFrom(), {})).toEqual([]);
  });

  it("is a pinned partition, and one in return so that each keeps its share", () => {
    expect(movesOf(overviewFrom(), { pin: { partition: 0, edge: "edge-2" } })).toEqual([
      { partition: 0, from: "edge-1", to: "edge-2" },
      { partition: 3, from: "edge-2", to: "edge-1" },
    ]);
  });

  it("is all that a draining edge owns; nobody gets it where no other edge is", () => {
    expect(movesOf(overviewFrom(), { leaving: "edge-1" })).toEqual([
      { partition: 0, from: "edge-1", to: "edge-2" },
      { partition: 1, from: "edge-1", to: "edge-2" },
    ]);
    const alone = overviewFrom({ cluster: { group: groupOf({ "edge-1": [0, 1, 2, 3] }) } });
    expect(movesOf(alone, { leaving: "edge-1" })).toEqual(
      [0, 1, 2, 3].map((partition) => ({ partition, from: "edge-1", to: null })),
    );
  });

  it("is the share of an edge that is no member yet, by its weight", () => {
    const alone = overviewFrom({ cluster: { group: groupOf({ "edge-1": [0, 1, 2, 3] }) } });
    expect(movesOf(alone, { joining: { edge: "edge-2", weight: 1 } })).toEqual([
      { partition: 2, from: "edge-1", to: "edge-2" },
      { partition: 3, from: "edge-1", to: "edge-2" },
    ]);
    expect(movesOf(alone, { joining: { edge: "edge-2", weight: 3 } })).toHaveLength(3);
    expect(movesOf(overviewFrom(), { joining: { edge: "edge-2", weight: 1 } })).toEqual([]);
  });

  it("follows the weights", () => {
    expect(movesOf(overviewFrom(), { weight: { edge: "edge-2", weight: 3 } })).toEqual([
      { partition: 1, from: "edge-1", to: "edge-2" },
    ]);
    expect(movesOf(overviewFrom(), { weight: { edge: "edge-2", weight: 0 } })).toHaveLength(2);
  });

  it("is what nobody owns, and what a newcomer gets", () => {
    const group = groupOf({ "edge-1": [0, 1, 2], "edge-2": [] });
    expect(movesOf(overviewFrom({ cluster: { group } }), {})).toEqual([
      { partition: 2, from: "edge-1", to: "edge-2" },
      { partition: 3, from: null, to: "edge-2" },
    ]);
  });

  it("is not foretold while the group is not known", () => {
    const nameless = SHARED.members.map((member) => ({
      ...member,
      partitions: [],
      words: undefined,
    }));
    for (const group of [
      { state: "Unknown", members: [] },
      { state: "PreparingRebalance", members: nameless },
    ]) {
      const overview = overviewFrom({ cluster: { group } });
      expect(forecast(overview, {})).toEqual({ moves: [], isForetold: false });
    }
    expect(movesOf(overviewFrom({ cluster: { group: SHARED } }), {})).toEqual([]);
  });
});
