import { describe, expect, it } from "vitest";
import type { AuditView, PartitionView } from "../src/api/views.ts";
import { HAPPENINGS_MAX, changesBetween, happeningOf, withNews } from "./happenings.ts";

const QUIET: PartitionView = {
  partition: 3,
  owner: "edge-1",
  pin: null,
  isPaused: false,
  lag: 0,
  lagMs: 0,
  end: "12",
  recordsPerSec: 1,
  subscribers: 4,
  stalledOn: [],
  hottest: [],
  leader: 1,
  replicas: [1],
  inSync: [1],
};

function textsAfter(change: Partial<PartitionView>): string[] {
  return changesBetween([QUIET], [{ ...QUIET, ...change }], 7).map(({ text }) => text);
}

describe("what the live page tells as it happens", () => {
  it("is who owns a partition now, and who did", () => {
    expect(textsAfter({ owner: "edge-2" })).toEqual(["Partition 3: edge-1 → edge-2"]);
    expect(textsAfter({ owner: null })).toEqual(["Partition 3: edge-1 → nobody"]);
  });

  it("is what was paused, and what stands still", () => {
    expect(textsAfter({ isPaused: true })).toEqual(["Partition 3 paused"]);
    expect(textsAfter({ stalledOn: ["edge-2"] })).toEqual(["Partition 3 stands still on edge-2"]);
  });

  it("is nothing for what only counts on, nor for the first look", () => {
    expect(textsAfter({ lag: 4, end: "16", subscribers: 5 })).toEqual([]);
    expect(changesBetween([], [QUIET], 7)).toEqual([]);
  });

  it("is each call of an operator, and how it ended", () => {
    const entry: AuditView = {
      id: "1",
      atMs: 7,
      operator: "olga",
      address: "127.0.0.1",
      action: "move",
      parameters: { partition: 3, edge: "edge-2" },
      status: null,
      outcome: null,
    };
    expect(happeningOf(entry).text).toBe("olga: move partition 3 edge edge-2 – begun");
    const done = { ...entry, status: 200, outcome: "edge-2 owns partition 3" };
    expect(happeningOf(done).text).toBe(
      "olga: move partition 3 edge edge-2 – edge-2 owns partition 3",
    );
  });

  it("keeps the newest, in their order", () => {
    const news = Array.from({ length: HAPPENINGS_MAX + 5 }, (_, atMs) => {
      return { atMs, kind: "move", text: `${atMs}` } as const;
    });
    const kept = withNews(withNews([], news.slice(0, 50)), news.slice(50));
    expect(kept).toHaveLength(HAPPENINGS_MAX);
    expect(kept[0]?.atMs).toBe(HAPPENINGS_MAX + 4);
    expect(kept.at(-1)?.atMs).toBe(5);
  });
});
