import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditView, ExplanationView, ReassignmentView, TopicView } from "../api/views.ts";
import { type CliSetting, ctrlC, runAgainst } from "./testing/cli-run.ts";
import { StubControl } from "./testing/stub-control.ts";
import { EDGES, STATUS, partitionView } from "./testing/views.ts";

let control: StubControl;
beforeEach(async () => {
  control = await StubControl.open();
});
afterEach(() => control.close());

function run(line: string, setting: CliSetting = {}) {
  return runAgainst(control, line, setting);
}

/** Without colours, as a terminal of 80 columns shows it. */
async function shown(line: string): Promise<string> {
  const { out } = await run(line, { columns: 80, environment: { NO_COLOR: "1" } });
  return `\n${out}`;
}

const PARTITIONS = [
  partitionView(),
  partitionView({ partition: 1, owner: null, lag: 1200, lagMs: 4210, stalledOn: ["edge-3"] }),
  partitionView({ partition: 10, pin: "edge-1", isPaused: true, recordsPerSec: 1041, hottest: [] }),
  partitionView({ partition: 11, lag: null, lagMs: null, leader: null, inSync: [2] }),
];

function entry(own: Partial<AuditView>): AuditView {
  return {
    id: "1",
    atMs: Date.UTC(2026, 0, 31, 12),
    operator: "olga",
    address: "127.0.0.1",
    action: "move",
    parameters: { partition: 7, edge: "edge-2" },
    status: 200,
    outcome: "done",
    ...own,
  };
}

describe("what people see", () => {
  it("the status is one look: the fleet, its surroundings, and what needs attention", async () => {
    control.when("GET /v1/status", { body: STATUS });
    expect(await shown("status")).toBe(`
chat.messages, 12 partitions, delivery direct
Kafka is up, 3 brokers, 1 partition short of replicas; group Stable, 3 members
2,475 connections, 7,500 subscriptions; 9.6 publishes/s, 3,123 deliveries/s

EDGE    STATE              CONNECTIONS  OWNS  PUBLISHES/s  DELIVERIES/s
edge-1  serving                  1,234     4          3.2         1,041
edge-2  draining                     7     0          3.2         1,041
edge-3  serving, no Redis        1,234     4          3.2         1,041
127.0.0.1:9473 does not answer: connection refused

critical: edge-3 has no Redis
  Look at its log, and at Redis.
`);
  });

  it("edges stand in a table of 80 columns, their numbers at the right", async () => {
    control.when("GET /v1/edges", { body: { edges: EDGES } });
    expect(await shown("edges")).toBe(`
EDGE    STATE               CONN   SUBS  OWNS  LAGGING    QUEUED   MEM    P99
edge-1  serving            1,234  2,500     4        0       0 B  42 %  12 ms
edge-2  draining               7  2,500     0        0       0 B  42 %  12 ms
edge-3  serving, no Redis  1,234  2,500     4        2  68.4 KiB  42 %      -
(too narrow for PID, WEIGHT, UP; --json has all)
`);
  });

  it("partitions say who owns them, how far behind they are, and what is wrong", async () => {
    control.when("GET /v1/partitions", { body: { partitions: PARTITIONS } });
    expect(await shown("partitions")).toBe(`
PART  OWNER   RECORDS/s    LAG  LAG s  SOCKETS  LEADER  IN SYNC  HOTTEST
   0  edge-1        3.1      0    0.0       12       1      3/3  room:42 (2.1/s)
   1  nobody        3.1  1,200    4.2       12       1      3/3  room:42 (2.1/s)
  10  edge-1     PAUSED      0    0.0       12       1      3/3
  11  edge-1        3.1      ?      ?       12    none      1/3  room:42 (2.1/s)

partition 1: nobody owns it; stands still on edge-3
partition 10: paused: nothing of it is delivered; pinned to edge-1
partition 11: nobody leads it; last in sync: broker 2; 1 of 3 in sync, without brokers 1, 3
`);
  });

  it("names that are too long for the terminal are cut before a column is left out", async () => {
    const conversation = `room:${"x".repeat(60)}`;
    const hottest = [{ conversation, recordsPerSec: 1, subscribers: 1 }];
    const owner = "edge-7d9c5bf4d8-x2x7k";
    control.when("GET /v1/partitions", {
      body: { partitions: [partitionView({ owner, hottest })] },
    });
    const lines = (await shown("partitions")).split("\n");
    expect(lines[2]).toMatch(/ room:x+…$/);
    expect(Math.max(...lines.map((line) => line.length))).toBe(80);
  });

  it("what is wrong with replicas is told on a narrow terminal, too", async () => {
    const owner = "edge-7d9c5bf4d8-x2x7k";
    const partitions = [
      partitionView({ owner, inSync: [1, 3] }),
      partitionView({ partition: 1, owner, leader: null, replicas: [], inSync: [] }),
    ];
    control.when("GET /v1/partitions", { body: { partitions } });
    const text = await shown("partitions");
    expect(text).toContain("too narrow for LEADER, IN SYNC");
    expect(text).toContain("partition 0: 2 of 3 in sync, without broker 2\n");
    // Kafka did not answer: nothing is said of it.
    expect((await run("partitions")).out).toMatch(/^ *1 .* \? +\? +room:42/m);
  });

  it("an edge that does not answer stands below the tables, and so do those not asked", async () => {
    const unreachable = [{ address: "127.0.0.1:9473", why: "no answer within 2 s" }];
    const silence = { unreachable, unasked: 2 };
    control.when("GET /v1/edges", { body: { edges: EDGES, ...silence } });
    control.when("GET /v1/partitions", { body: { partitions: PARTITIONS, ...silence } });
    for (const line of ["edges", "partitions"]) {
      const { code, out } = await run(line);
      expect([code, out.trimEnd().split("\n").slice(-2)]).toEqual([
        0,
        [
          "127.0.0.1:9473 does not answer: no answer within 2 s",
          "2 addresses more not asked; npx millrace status says why",
        ],
      ]);
    }
    control.when("GET /v1/edges", { body: { edges: [], unreachable, unasked: 0 } });
    expect((await run("edges")).out).toContain("No edge answers; npx millrace status says");
    expect((await run("edges")).out).toContain("127.0.0.1:9473 does not answer");
  });

  it("a terminal that does not know its size is taken for an ordinary one", async () => {
    control.when("GET /v1/status", { body: STATUS });
    const environment = { NO_COLOR: "1" };
    const ordinary = await run("status", { columns: 80, environment });
    expect(await run("status", { columns: 0, environment })).toEqual(ordinary);
    const { stop, interrupted } = ctrlC();
    const setting = { columns: 0, rows: 0, environment, interrupted, onOut: stop };
    const { out } = await run("status --watch", setting);
    expect(out).toContain("Look at its log, and at Redis.");
    expect(out).not.toContain("more lines");
  });

  it("in a pipe nothing is left out and nothing is coloured", async () => {
    control.when("GET /v1/edges", { body: { edges: EDGES } });
    const { out } = await run("edges");
    expect(out.split("\n")[0]).toMatch(/^PID {2}EDGE .* SUBS .* WEIGHT .* P99 +UP$/);
    expect(out).not.toContain("\u001B");
  });

  it("colours are for terminals, and for those who want them", async () => {
    control.when("GET /v1/edges", { body: { edges: EDGES } });
    const coloured = await run("edges", { columns: 80 });
    expect(coloured.out).toContain("\u001B[32mserving");
    expect((await run("edges --no-color", { columns: 80 })).out).not.toContain("\u001B");
    const environment = { NO_COLOR: "1" };
    expect((await run("edges", { columns: 80, environment })).out).not.toContain("\u001B");
  });

  it("text of others never steers the terminal", async () => {
    const hottest = [{ conversation: "room:\u001B[2J", recordsPerSec: 1, subscribers: 1 }];
    control.when("GET /v1/partitions", { body: { partitions: [partitionView({ hottest })] } });
    expect(await shown("partitions")).toContain(String.raw`room:\u{1b}[2J`);
  });

  it("an explanation begins with its verdict, and shows what it follows from", async () => {
    const explanation: ExplanationView = {
      subject: { client: "alice" },
      verdict: "Partition 7 is paused by an operator.",
      findings: [
        { isOk: true, about: "connection", text: "one, on edge-1" },
        { isOk: false, about: "partition", text: "7 is paused" },
      ],
      onEdges: [
        {
          edge: "edge-1",
          conversation: "room:42",
          partition: null,
          lastPosition: "AAAAAAAA.7.1",
          live: 3,
          catchingUp: 0,
          lagging: 1,
        },
      ],
    };
    control.when("GET /v1/explain/clients/alice%2Fb", { body: explanation });
    const words = "explain client alice/b --conversation room:42";
    expect(await shown(words)).toBe(`
Partition 7 is paused by an operator.

✓ connection  one, on edge-1
✗ partition   7 is paused

EDGE    LIVE  CATCHING UP  LAGGING  LAST
edge-1     3            0        1  AAAAAAAA.7.1
`);
  });

  it("what is explained is what was asked for", async () => {
    await run("explain client alice --conversation room:a&b");
    await run("explain conversation room:42");
    expect(control.asked.map(({ path }) => path)).toEqual([
      "/v1/explain/clients/alice?conversation=room%3Aa%26b",
      "/v1/explain/conversations/room%3A42",
    ]);
  });

  it("topics that break a promise are an exit code of their own", async () => {
    const good: TopicView = { topic: "chat.control", purpose: "rulings", problems: [] };
    const problem = {
      setting: "min.insync.replicas",
      value: "1",
      wanted: "2",
      promise: "An acknowledged publish is safe.",
    };
    const bad: TopicView = { topic: "chat.messages", purpose: "messages", problems: [problem] };
    control.when("GET /v1/topics", { body: { topics: [good, bad] } });
    const { code, out } = await run("topics check");
    expect(code).toBe(1);
    expect(out).toBe(`✓ chat.control: rulings
✗ chat.messages: messages
    min.insync.replicas is 1, and should be 2
    An acknowledged publish is safe.

1 setting breaks a promise.
`);
    control.when("GET /v1/topics", { body: { topics: [good] } });
    expect(await run("topics check")).toMatchObject({ code: 0, err: "" });
  });

  it("the audit tells who did what, the newest last, and of what nobody knows the end", async () => {
    const audit = [
      entry({ id: "3", atMs: Date.UTC(2026, 0, 31, 14), status: null, outcome: null }),
      entry({ id: "2", atMs: Date.UTC(2026, 0, 31, 13), status: 409, outcome: "it is ending" }),
      entry({}),
    ];
    control.when("GET /v1/audit", { body: { audit } });
    expect(await shown("audit --limit 3")).toBe(`
WHEN                  WHO   WHAT                          OUTCOME
2026-01-31T12:00:00Z  olga  move partition=7 edge=edge-2  done
2026-01-31T13:00:00Z  olga  move partition=7 edge=edge-2  409 it is ending
2026-01-31T14:00:00Z  olga  move partition=7 edge=edge-2  unknown
(too narrow for FROM, ID; --json has all)
`);
    expect(control.asked[0]?.path).toBe("/v1/audit?limit=3");
  });

  it("replicas on their way are listed, with what holds them back", async () => {
    const moving = {
      topic: "chat.messages",
      partition: 3,
      replicas: [1, 4],
      adding: [4],
      removing: [],
    };
    const view: ReassignmentView = {
      isRunning: true,
      throttleBytesPerSec: 10_485_760,
      partitions: [moving],
    };
    control.when("GET /v1/reassignments", { body: view });
    expect(await shown("reassign")).toBe(`
1 partition is on the way. The throttle is 10.0 MiB/s.

TOPIC          PART  REPLICAS  ADDING  REMOVING
chat.messages     3  1,4       4       -
`);
  });
});

describe("what programs read", () => {
  it("--json is exactly what the API answers, wherever it stands", async () => {
    const more = { ...STATUS, added: { later: true } };
    control.when("GET /v1/status", { body: more });
    for (const line of ["status --json", "--json status"]) {
      const { out, err, code } = await run(line);
      expect({ ...JSON.parse(out), code, err }).toEqual({ ...more, code: 0, err: "" });
    }
    expect(control.asked[0]?.token).toBe("t");
  });

  it("--watch with --json is a line a look, until Ctrl-C", async () => {
    let looks = 0;
    const { stop, interrupted } = ctrlC();
    control.when("GET /v1/partitions", () => {
      looks += 1;
      if (looks === 2) stop();
      return { body: { partitions: [] } };
    });
    const { code, out } = await run("partitions --watch --json", { interrupted });
    expect(code).toBe(0);
    expect(out).toMatch(/^(\{"partitions":\[\]\}\n)+$/);
  });

  it("--watch ends when nobody reads it any more", async () => {
    control.when("GET /v1/partitions", { body: { partitions: [] } });
    const { stop: goAway, interrupted: readerGone } = ctrlC();
    const setting = { readerGone, onOut: () => goAway() };
    expect(await run("partitions --watch --json", setting)).toMatchObject({ code: 0 });
  });

  it("--watch gives the cursor back whatever happens, and obeys no message", async () => {
    let looks = 0;
    const { stop, interrupted } = ctrlC();
    control.when("GET /v1/partitions", () => {
      looks += 1;
      if (looks === 3) stop();
      const body = { code: "unavailable", message: "away \u001B[2J" };
      return looks === 2 ? { status: 503, body } : { body: { partitions: [] } };
    });
    const { out } = await run("partitions --watch", { columns: 80, interrupted });
    expect(out).toContain(String.raw`Away \u{1b}[2J.`);
    control.when("GET /v1/partitions", { body: { partitions: [null] } });
    let told = "";
    const onOut = (text: string): void => void (told += text);
    await expect(run("partitions --watch", { columns: 80, onOut })).rejects.toThrow(TypeError);
    expect(told.endsWith("\u001B[?25h")).toBe(true);
  });

  it("--json on a terminal is escaped where it would steer it", async () => {
    const hottest = [{ conversation: "room:\u009B2J", recordsPerSec: 1, subscribers: 1 }];
    const body = { partitions: [partitionView({ hottest })] };
    control.when("GET /v1/partitions", { body });
    const { out } = await run("partitions --json", { columns: 80 });
    expect(out).toContain(String.raw`room:\u009b2J`);
    expect(JSON.parse(out)).toEqual(body);
  });

  it("--watch redraws on a terminal, goes on when control is away, and gives the cursor back", async () => {
    let looks = 0;
    const { stop, interrupted } = ctrlC();
    control.when("GET /v1/partitions", () => {
      looks += 1;
      if (looks === 3) stop();
      const body = { code: "unavailable", message: "Kafka is away; try again" };
      return looks === 2 ? { status: 503, body } : { body: { partitions: PARTITIONS } };
    });
    const { code, out } = await run("partitions --watch", { columns: 80, interrupted });
    expect(code).toBe(0);
    expect(out).toContain("Kafka is away; try again.");
    expect(out.endsWith("\u001B[?25h")).toBe(true);
  });
});
