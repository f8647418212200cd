import { describe, expect, it } from "vitest";
import type { ProblemView } from "../api/views.ts";
import { edgeReport, groupOf, overviewFrom, partitionReport } from "../testing/edge-reports.ts";
import type { Overview } from "./overview.ts";
import { partitionViews } from "./partition-views.ts";
import { statusView } from "./status-view.ts";

function problemsOf(overview: Overview): readonly ProblemView[] {
  return statusView(overview).problems;
}

function hot(recordsPerSec: number, subscribers: number) {
  return [{ conversation: "room:1", recordsPerSec, subscribers }];
}

/** The first problem, in one line. */
function first(overview: Overview): string {
  const [problem] = problemsOf(overview);
  return problem === undefined ? "none" : `${problem.severity}: ${problem.what}`;
}

describe("the status", () => {
  it("has no problem where everything is well, and adds up what the edges say", () => {
    const rates = { publishesPerSec: 5, deliveriesPerSec: 50, handshakesPerSec: 1 };
    const edges = ["edge-1", "edge-2"].map((id) =>
      edgeReport(id, { connections: 10, subscriptions: 20, rates }),
    );
    const view = statusView(overviewFrom({ edges }));
    expect(view.problems).toEqual([]);
    expect(view.totals).toEqual({
      connections: 20,
      subscriptions: 40,
      publishesPerSec: 10,
      deliveriesPerSec: 100,
      partitions: 4,
    });
    expect(view.edges.map(({ id, owned }) => [id, owned])).toEqual([
      ["edge-1", [0, 1]],
      ["edge-2", [2, 3]],
    ]);
    expect(view).toMatchObject({ delivery: "direct", group: { state: "Stable", members: 2 } });
  });

  it.each<[string, Overview]>([
    [
      "critical: Kafka does not answer: refused",
      overviewFrom({ cluster: { isUp: false, why: "refused", partitions: [] } }),
    ],
    [
      "critical: the edge at edge-3:9470 does not answer: no answer within 2 s",
      overviewFrom({
        look: { unreachable: [{ address: "edge-3:9470", why: "no answer within 2 s" }] },
      }),
    ],
    [
      "critical: 3 edges beyond the first 256 not looked at",
      overviewFrom({ look: { unasked: 3 } }),
    ],
    ["critical: no edge is known", overviewFrom({ edges: [] })],
    [
      "critical: no broker leads partition 2",
      overviewFrom({
        cluster: { partitions: [{ partition: 2, leader: -1, replicas: [1], inSync: [1] }] },
      }),
    ],
    [
      "warning: 1 partition with fewer replicas in sync than they have",
      overviewFrom({
        cluster: { partitions: [{ partition: 0, leader: 1, replicas: [1, 2], inSync: [1] }] },
      }),
    ],
    [
      "warning: no edge owns partitions 1, 2, 3",
      overviewFrom({ cluster: { group: groupOf({ "edge-1": [0] }) } }),
    ],
    [
      "critical: partition 3 stands still on edge-1",
      overviewFrom({
        edges: [edgeReport("edge-1", { partitions: [partitionReport(3, { stalledMs: 60_000 })] })],
      }),
    ],
    [
      "warning: partition 1 paused by operators: nothing of it is delivered",
      overviewFrom({
        edges: [edgeReport("edge-1", { partitions: [partitionReport(1, { isPaused: true })] })],
      }),
    ],
    [
      "warning: edge-1 is drained: it serves nobody",
      overviewFrom({ edges: [edgeReport("edge-1", { state: "drained", isReady: false })] }),
    ],
    [
      "warning: edge-1 is not ready (starting): newcomers are sent elsewhere",
      overviewFrom({ edges: [edgeReport("edge-1", { state: "starting", isReady: false })] }),
    ],
    [
      "critical: Redis is down for edge-1",
      overviewFrom({ edges: [edgeReport("edge-1", { isRedisUp: false })] }),
    ],
    [
      "warning: edges run 0.1.0 and 0.2.0",
      overviewFrom({ edges: [edgeReport("edge-1"), edgeReport("edge-2", { version: "0.2.0" })] }),
    ],
    [
      "warning: some edges relay and some read directly",
      overviewFrom({ edges: [edgeReport("edge-1"), edgeReport("edge-2", { delivery: "relay" })] }),
    ],
    [
      "critical: two edges have one id",
      overviewFrom({ edges: [edgeReport("edge-1"), edgeReport("edge-1", { pid: 1 })] }),
    ],
    [
      "warning: partition 0 is pinned to edge-9, which is not there",
      overviewFrom({
        look: {
          orders: {
            pins: [{ partition: 0, edge: "edge-9", operator: "olga", ruledAtMs: 1 }],
            weights: [],
            pauses: [],
          },
        },
      }),
    ],
    [
      "warning: chat.messages: partitions is 1, wanted 12 (keys are spread over them)",
      overviewFrom({
        topics: [
          {
            topic: "chat.messages",
            purpose: "messages",
            problems: [
              {
                setting: "partitions",
                value: "1",
                wanted: "12",
                promise: "keys are spread over them",
              },
            ],
          },
        ],
      }),
    ],
  ])("tells, and says what to do: %s", (what, overview) => {
    expect(first(overview)).toBe(what);
    for (const { advice } of problemsOf(overview)) expect(advice.length).toBeGreaterThan(10);
  });

  it("begins with what is critical", () => {
    const edges = [edgeReport("edge-1", { memoryShare: 0.99, isRedisUp: false })];
    const severities = problemsOf(overviewFrom({ edges })).map(({ severity }) => severity);
    expect(severities).toEqual(["critical", "warning"]);
  });
});

describe("the view of a partition", () => {
  it("is the worst of what edges say of it, with all of their subscribers", () => {
    const reports = [
      { lag: 3, lagMs: 20, end: "99", recordsPerSec: 7, subscribers: 4, hottest: hot(5, 3) },
      { lag: null, lagMs: 900, end: "101", recordsPerSec: 6, subscribers: 1, hottest: hot(4, 1) },
    ];
    const edges = reports.map((fields, index) =>
      edgeReport(`edge-${index + 1}`, { partitions: [partitionReport(0, fields)] }),
    );
    expect(partitionViews(overviewFrom({ edges }))[0]).toEqual({
      partition: 0,
      owner: "edge-1",
      pin: null,
      isPaused: false,
      lag: 3,
      lagMs: 900,
      end: "101",
      recordsPerSec: 7,
      subscribers: 5,
      stalledOn: [],
      hottest: hot(5, 4),
      leader: 1,
      replicas: [1, 2, 3],
      inSync: [1, 2, 3],
    });
  });

  it("has the owner that the edges name while the group is being distributed", () => {
    const edges = [edgeReport("edge-2", { partitions: [partitionReport(0, { isOwned: true })] })];
    const group = { ...groupOf({ "edge-1": [0] }), state: "PreparingRebalance" };
    expect(partitionViews(overviewFrom({ edges, cluster: { group } }))[0]?.owner).toBe("edge-2");
  });
});
