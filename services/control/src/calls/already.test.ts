import { silentLogger } from "@millrace/runtime";
import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import type { ControlServices } from "../control-services.ts";
import type { EdgeAnswer } from "../edges/edge-client.ts";
import type { Overview } from "../overview/overview.ts";
import { edgeReport, groupOf, overviewFrom, partitionReport } from "../testing/edge-reports.ts";
import type { CallContext } from "./operator-call.ts";
import { OPERATOR_CALLS } from "./operator-calls.ts";

const OPERATOR = { name: "olga", token: "t", expiresAtMs: 0 };
const ORIGIN = { operator: "otto", ruledAtMs: 1 };

/** Whatever is ordered there is taken, and changes nothing. */
function contextOf(overview: Overview): CallContext & { readonly asked: string[] } {
  const asked: string[] = [];
  const services = {
    topic: overview.topic,
    clock: new FakeClock(),
    logger: silentLogger,
    directory: {
      fresh: async () => overview.edges,
      ask: async (_edge: unknown, _token: string, request: { method: string; path: string }) => {
        asked.push(`${request.method} ${request.path}`);
        return { kind: "answered", status: 204, json: null } satisfies EdgeAnswer;
      },
      askAny: async (edges: readonly unknown[], _token: string, request: { path: string }) => {
        asked.push(request.path);
        return { kind: "taken", edge: edges[0] };
      },
    },
    cluster: { fresh: async () => overview.cluster },
    topicChecks: { told: async () => [] },
    moving: new Set(),
  } as unknown as ControlServices;
  return { services, overview, operator: OPERATOR, asked };
}

function prepared(action: string, names: Readonly<Record<string, string>>, body: unknown = {}) {
  const call = OPERATOR_CALLS.find((one) => one.action === action);
  if (call === undefined) throw new Error(`there is no call ${action}`);
  return call.prepare({ operator: OPERATOR, address: "", names, query: {}, body });
}

const STANDING = overviewFrom({
  edges: [edgeReport("edge-1"), edgeReport("edge-2"), edgeReport("edge-3", { state: "drained" })],
  look: {
    orders: {
      pins: [{ partition: 0, edge: "edge-1", ...ORIGIN }],
      weights: [{ edge: "edge-1", weight: 3, ...ORIGIN }],
      pauses: [{ partition: 1, ...ORIGIN }],
    },
  },
});

const STAY = JSON.parse('{"then":"stay"}') as unknown;

describe("what is so already", () => {
  it.each([
    ["pause", { partition: "1" }, {}, "Partition 1 _ paused already"],
    ["resume", { partition: "0" }, {}, "Partition 0 _ not paused"],
    ["unpin", { partition: "1" }, {}, "Partition 1 _ not pinned"],
    ["pin", { partition: "0" }, { edge: "edge-1" }, "Partition 0 _ owned by edge-1 and pinned"],
    ["undrain", { edge: "edge-1" }, {}, "edge-1 _ serving already"],
    ["drain", { edge: "edge-3" }, STAY, "edge-3 _ drained already"],
  ])("%s %j says so before and after", async (action, names, body, sentence) => {
    const context = contextOf(STANDING);
    const { plan, run } = prepared(action, names, body);
    const { effects, moves, isForetold, isDangerous } = await plan(context);
    expect(effects[0]).toContain(sentence.replace("_", "is"));
    expect(effects[0]).toContain(": nothing changes.");
    expect({ moves, isForetold, isDangerous }).toEqual({
      moves: [],
      isForetold: true,
      isDangerous: false,
    });
    const { done, moves: moved = [] } = await run(context);
    expect(done).toContain(sentence.replace("_", "was"));
    expect(done).toMatch(/: nothing changes\.$/);
    expect(moved).toEqual([]);
    // The edge that tells of it may not have heard of a later word: the order is given all the same.
    expect(context.asked).toHaveLength(1);
  });

  it("a weight says so, and so does one that is cleared", async () => {
    const context = contextOf(STANDING);
    const same = prepared("weight", { edge: "edge-1" }, { weight: 3 });
    expect((await same.plan(context)).effects).toEqual([
      "edge-1 has the weight 3 already: nothing changes.",
    ]);
    expect((await same.run(context)).done).toBe(
      "edge-1 had the weight 3 already: nothing changes.",
    );
    const cleared = prepared("weight.lift", { edge: "edge-2" });
    expect((await cleared.run(context)).done).toBe(
      "No weight was ordered for edge-2: nothing changes.",
    );
  });

  it("a move does nothing, also of a partition that is pinned there", async () => {
    const context = contextOf(STANDING);
    for (const [partition, state] of [
      [0, "owned by edge-1 and pinned to it"],
      [1, "owned by edge-1"],
    ] as const) {
      const { plan, run } = prepared("move", {}, { partition, edge: "edge-1" });
      expect((await plan(context)).effects).toEqual([
        `Partition ${partition} is ${state} already: nothing changes.`,
      ]);
      expect(await run(context)).toEqual({
        done: `Partition ${partition} was ${state} already; nothing was done.`,
        moves: [],
      });
    }
    expect(context.asked).toEqual([]);
  });

  it("is not said where no edge tells of the orders", async () => {
    const context = contextOf(overviewFrom({ look: { orders: null } }));
    const { done } = await prepared("resume", { partition: "0" }).run(context);
    expect(done).toBe("Partition 0 is delivered again, from where it stopped.");
  });

  it("a drained edge that is told to end ends", async () => {
    const context = contextOf(STANDING);
    const { plan, run } = prepared("drain", { edge: "edge-3" });
    expect(await plan(context)).toMatchObject({
      effects: ["edge-3 is drained already. Then it ends."],
      isDangerous: true,
    });
    expect((await run(context)).done).toBe("edge-3 was drained already, and ends.");
  });
});

describe("a plan", () => {
  it("foretells what an edge gets that is taken back in", async () => {
    const group = groupOf({ "edge-1": [0, 1], "edge-2": [2, 3] });
    const fleet = (weight: number) => {
      const drained = edgeReport("edge-3", { state: "drained", weight });
      return overviewFrom({
        edges: [edgeReport("edge-1"), edgeReport("edge-2"), drained],
        cluster: { group },
      });
    };
    const undrain = prepared("undrain", { edge: "edge-3" });
    expect(await undrain.plan(contextOf(fleet(1)))).toMatchObject({
      moves: [{ partition: 3, from: "edge-2", to: "edge-3" }],
      isForetold: true,
    });
    expect(await undrain.plan(contextOf(fleet(0)))).toMatchObject({ moves: [], isForetold: true });
  });

  it("says where nothing can be foretold, and does not call it nothing", async () => {
    const drained = edgeReport("edge-3", { state: "drained" });
    const edges = [edgeReport("edge-1"), edgeReport("edge-2"), drained];
    const unknown = { group: { state: "Unknown", members: [] } };
    const context = contextOf(overviewFrom({ edges, cluster: unknown }));
    for (const [action, names, body] of [
      ["drain", { edge: "edge-1" }, STAY],
      ["undrain", { edge: "edge-3" }, {}],
      ["weight", { edge: "edge-1" }, { weight: 2 }],
      ["rebalance", {}, {}],
    ] as const) {
      const { moves, isForetold, effects } = await prepared(action, names, body).plan(context);
      expect([action, moves, isForetold]).toEqual([action, [], false]);
      expect(effects.join(" ")).toContain("can't be foretold now");
    }
    // Which weight that is only the edge knows.
    const lift = await prepared("weight.lift", { edge: "edge-1" }).plan(contextOf(STANDING));
    expect(lift.isForetold).toBe(false);
    expect(lift.effects.join(" ")).toContain("only the edge knows that weight");
  });

  it("says nothing in its sentences that it says in numbers", async () => {
    const context = contextOf(STANDING);
    for (const [action, names, body] of [
      ["drain", { edge: "edge-1" }, STAY],
      ["undrain", { edge: "edge-3" }, {}],
      ["pause", { partition: "0" }, {}],
      ["move", {}, { partition: 1, edge: "edge-2" }],
      ["pin", { partition: "1" }, { edge: "edge-2" }],
      ["unpin", { partition: "0" }, {}],
      ["weight", { edge: "edge-2" }, { weight: 2 }],
      ["rebalance", {}, {}],
    ] as const) {
      const { effects } = await prepared(action, names, body).plan(context);
      expect([action, effects.join(" ")]).toEqual([
        action,
        expect.not.stringMatching(/connect again|partitions? changes? hands:| → /),
      ]);
    }
  });

  it("states no rate of what is paused: it would be that of delivery", async () => {
    const partitions = [partitionReport(0, { isPaused: true, subscribers: 2 })];
    const edges = [edgeReport("edge-1", { partitions })];
    const context = contextOf(overviewFrom({ edges, look: { orders: null } }));
    const { effects } = await prepared("pause", { partition: "0" }).plan(context);
    expect(effects[0]).toMatch(/: 2 subscribers hear nothing\.$/);
  });
});
