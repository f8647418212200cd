import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DoneView } from "../api/views.ts";
import { type CliSetting, runAgainst, runMillrace } from "./testing/cli-run.ts";
import { StubControl } from "./testing/stub-control.ts";
import { edgeView, planView } from "./testing/views.ts";

let control: StubControl;
beforeEach(async () => {
  control = await StubControl.open();
});
afterEach(() => control.close());

function run(line: string, setting: CliSetting = {}) {
  return runAgainst(control, line, setting);
}

const DONE: DoneView = { auditId: "17", done: "edge-2 is being drained." };
const HARMLESS = planView({ isDangerous: false, reconnects: 0 });

/** Takes an order that is dangerous or not, and says that it was done. */
function takes(what: string, plan = HARMLESS, done = DONE): void {
  control.when(`${what}?dryRun=true`, { body: plan }).when(what, { body: done });
}

const DRAIN = "PUT /v1/drains/edge-2";
const GO = { columns: 80, environment: { NO_COLOR: "1" } };

describe("what is dangerous", () => {
  beforeEach(() => takes(DRAIN, planView()));

  it("says first what it will do, and is done when somebody agrees", async () => {
    const { code, out, err } = await run("drain edge-2 --no-wait", { ...GO, input: "y\n" });
    expect(err).toBe(`- edge-2 takes no new clients
- its 7 clients are told to go
1 partition changes hands:
  partition 4: edge-2 → edge-1
7 clients have to connect again.
Go on? [y/N] `);
    expect(out).toBe("edge-2 is being drained.\n(audit 17)\n");
    expect(code).toBe(0);
    expect(control.orders).toEqual(['PUT /v1/drains/edge-2 {"then":"stay"}']);
  });

  it.each(["n\n", "\n", ""])("is not done for the answer %j", async (input) => {
    const { code, err } = await run("drain edge-2 --no-wait", { ...GO, input });
    expect([code, err.split("\n").at(-2)]).toEqual([1, "Go on? [y/N] Nothing was done."]);
    expect(control.orders).toEqual([]);
  });

  it("is not done where nobody can be asked, and --yes is named", async () => {
    for (const line of ["drain edge-2", "drain edge-2 --json"]) {
      const { code, out, err } = await run(line, { input: "y\n" });
      expect(code).toBe(3);
      expect(out).toBe("");
      expect(err).toContain("its 7 clients are told to go");
      expect(err).toMatch(/there is no terminal to ask\.\n.*add --yes\.\n$/);
    }
    expect(control.orders).toEqual([]);
  });

  it("is done at once with --yes; with --json nothing but the answer is written", async () => {
    expect(await run("drain edge-2 --no-wait --yes")).toMatchObject({ code: 0 });
    control.asked.length = 0;
    const { code, out, err } = await run("drain edge-2 --no-wait --yes --json");
    expect({ code, err, ...JSON.parse(out) }).toEqual({ code: 0, err: "", ...DONE });
    expect(control.asked.map(({ path }) => path)).toEqual(["/v1/drains/edge-2"]);
  });
});

describe("what is harmless", () => {
  it.each([
    ["pin 7 edge-2", "PUT /v1/pins/7", ' {"edge":"edge-2"}'],
    ["unpin 7", "DELETE /v1/pins/7", ""],
    ["weight edge/2 3", "PUT /v1/weights/edge%2F2", ' {"weight":3}'],
    ["weight edge-2 0", "PUT /v1/weights/edge-2", ' {"weight":0}'],
    ["weight edge-2 --clear", "DELETE /v1/weights/edge-2", ""],
    ["rebalance", "POST /v1/rebalance", ""],
    ["undrain edge-2", "DELETE /v1/drains/edge-2", ""],
    ["pause 7", "PUT /v1/pauses/7", ""],
    ["resume 7", "DELETE /v1/pauses/7", ""],
    ["move 7 edge-2", "POST /v1/moves", ' {"partition":7,"edge":"edge-2"}'],
    ["drain edge-2 --end --no-wait", DRAIN, ' {"then":"end"}'],
    [
      "reassign --brokers 1,2 --topic a --topic b --throttle 10MB",
      "POST /v1/reassignments",
      ' {"brokers":[1,2],"topics":["a","b"],"throttleBytesPerSec":10000000}',
    ],
    ["reassign --cancel", "DELETE /v1/reassignments", ""],
    ["reassign --cancel --topic a", "DELETE /v1/reassignments", ' {"topics":["a"]}'],
  ])("%s is one call, and says what was done", async (line, call, body) => {
    takes(call);
    expect(await run(line)).toEqual({
      code: 0,
      out: "edge-2 is being drained.\n(audit 17)\n",
      err: "",
    });
    expect(control.orders).toEqual([call + body]);
  });
});

describe("plan", () => {
  it("shows what would happen, and does nothing", async () => {
    takes(DRAIN, planView());
    const { code, out } = await run("plan drain edge-2");
    expect(code).toBe(0);
    expect(out).toBe(`drain edge-2 would do this; nothing was done:
- edge-2 takes no new clients
- its 7 clients are told to go
1 partition changes hands:
  partition 4: edge-2 → edge-1
7 clients have to connect again.
`);
    expect(control.orders).toEqual([]);
  });

  it("says that nothing changes hands only where that is known", async () => {
    const still = { moves: [], reconnects: 0, isDangerous: false };
    takes("POST /v1/rebalance", planView(still));
    expect((await run("plan rebalance")).out).toContain("\nNo partition changes hands.\n");
    takes("POST /v1/rebalance", planView({ ...still, isForetold: false }));
    expect((await run("plan rebalance")).out).not.toContain("partition changes");
  });

  it("is the API's own plan for programs", async () => {
    takes("POST /v1/moves");
    const { out } = await run("plan move 7 edge-2 --json");
    expect(JSON.parse(out)).toEqual(HARMLESS);
  });

  it.each(["pin 7 e", "unpin 7", "weight e 2", "rebalance", "undrain e", "pause 7", "resume 7"])(
    "knows %s, too",
    async (line) => {
      await run(`plan ${line}`);
      expect(control.asked.map(({ path }) => path.endsWith("?dryRun=true"))).toEqual([true]);
    },
  );
});

describe("what was done", () => {
  it("is told with all that has changed hands", async () => {
    const moves = [
      { partition: 7, from: "edge-1", to: "edge-3" },
      { partition: 11, from: "edge-3", to: "edge-1" },
    ];
    takes("POST /v1/moves", HARMLESS, { ...DONE, done: "Partition 7 is owned by edge-3.", moves });
    expect((await run("move 7 edge-3")).out).toBe(`Partition 7 is owned by edge-3.
2 partitions change hands:
  partition 7: edge-1 → edge-3
  partition 11: edge-3 → edge-1
(audit 17)
`);
  });
});

describe("what takes long", () => {
  it("a drain is waited for, and says how many are left", async () => {
    takes(DRAIN);
    const left = [7, 3, 0];
    control.when("GET /v1/edges", () => {
      const connections = left.shift();
      const state = connections === 0 ? "drained" : "draining";
      return {
        body: { edges: [edgeView({ id: "edge-2", connections: connections ?? 0, state })] },
      };
    });
    const { code, err } = await run("drain edge-2");
    expect(code).toBe(0);
    expect(err).toBe(`… edge-2: 7 connections and 4 partitions left
… edge-2: 3 connections and 4 partitions left
edge-2 is drained.
`);
  });

  it("an edge that ends has ended when another process is in its place", async () => {
    takes(DRAIN);
    const starts = [100, 100, 200];
    control.when("GET /v1/edges", () => ({
      body: { edges: [edgeView({ id: "edge-2", startedAtMs: starts.shift() ?? 0 })] },
    }));
    const { code, err } = await run("drain edge-2 --end");
    expect([code, err.split("\n").at(-2)]).toEqual([0, "edge-2 has ended."]);
  });

  it("an edge that misses a look has not ended; one that is gone has", async () => {
    takes(DRAIN);
    const there = edgeView({ id: "edge-2", startedAtMs: 100 });
    const looks = [there, undefined, there, undefined, undefined, undefined, undefined, there];
    control.when("GET /v1/edges", () => {
      const edge = looks.shift();
      return { body: { edges: edge === undefined ? [] : [edge] } };
    });
    const { code, err } = await run("drain edge-2 --end");
    expect([code, err.split("\n").at(-2)]).toEqual([0, "edge-2 has ended."]);
    expect(looks).toEqual([there]);
  });

  it("is given up in time, and it is said that it goes on", async () => {
    takes(DRAIN);
    const edges = [edgeView({ id: "edge-2", state: "draining" })];
    control.when("GET /v1/edges", { body: { edges } });
    const { code, err } = await run("drain edge-2 --timeout 0.05");
    expect(code).toBe(1);
    expect(err).toContain("1,234 connections and 4 partitions left.\nSee how far it is");
  });

  it("Ctrl-C ends the waiting, not the order", async () => {
    takes(DRAIN);
    const edges = [edgeView({ id: "edge-2", state: "draining" })];
    control.when("GET /v1/edges", { body: { edges } });
    const { code, err } = await run("drain edge-2", { interrupted: Promise.resolve() });
    expect(code).toBe(1);
    expect(err).toContain("It goes on by itself");
  });

  it("replicas are watched until the last one is there", async () => {
    takes("POST /v1/reassignments");
    const running = [true, true, false];
    control.when("GET /v1/reassignments", () => ({
      body: { isRunning: running.shift() ?? false, throttleBytesPerSec: 1000, partitions: [] },
    }));
    const { code, err } = await run("reassign --brokers 1,2 --watch");
    expect(code).toBe(0);
    expect(err).toMatch(/^… 0 partitions on the way, at most 1000 B\/s\nall replicas are where/);
  });
});

describe("what is wrong is told in one sentence, and what to do in another", () => {
  it.each([
    ["move x edge-1", "<partition> x: a whole number from 0 to 100000 is needed."],
    ["move 7", "Missing required argument 'edge'."],
    ["move 7 edge-2 --no-wait", "Unknown option '--no-wait'"],
    ["audit --limit 501", "a whole number from 1 to 500 is needed."],
    ["explain client ..", "<user> ..: HTTP takes it for a folder"],
    ["explain conversation .", "<id> .: HTTP takes it for a folder"],
    ["weight .. --clear", "<edge> ..: HTTP takes it for a folder"],
    ["weight edge-1", "Either a weight or --clear is needed."],
    ["weight edge-1 3 --clear", "Either a weight or --clear is needed."],
    ["explain alice", "It has to be said whether it is a client or a conversation."],
    ["explain thing x", "Try millrace explain client x, or millrace explain conversation x."],
    ["audit --after xyz", "--after <next>, xyz: it must be what an earlier answer (--json) has"],
    ["reassign --brokers 1 --throttle 10", "--throttle <rate>, 10: bytes a second are needed,"],
    ["reassign --throttle 3MB", "--throttle needs --brokers."],
    ["reassign --topic a", "--topic needs --brokers or --cancel."],
    ["reassign --brokers 1,1", "--brokers <ids>, 1,1: a broker stands there twice."],
    ["tail dm:alice", "<conversation> dm:alice: it is no conversation id; room:lobby is one."],
    ["statsu", "Unknown command 'statsu'; did you mean status?"],
    ["status --colour", "Unknown option '--colour'"],
    ["completion tcsh", "<shell> tcsh: Allowed choices are bash, zsh, fish."],
  ])("%s is wrong use", async (line, sentence) => {
    const { code, err } = await run(line);
    expect(code).toBe(2);
    expect(err).toContain(sentence);
    expect(err.trimEnd().split("\n")).toHaveLength(2);
    expect(control.asked).toEqual([]);
  });

  it("a control that can't be reached is named", async () => {
    const { url } = control;
    control.close();
    const { code, err } = await run("status", { environment: { MILLRACE_CONTROL: url } });
    expect(code).toBe(1);
    expect(err).toBe(`Control does not answer at ${url} (ECONNREFUSED).
Start it (npm start in a checkout), or name another one with --control URL.
`);
  });

  it("a refused token says which one is needed", async () => {
    const message = "the token's scope is not millrace:admin";
    control.when("GET /v1/status", { status: 403, body: { code: "forbidden", message } });
    const { code, err } = await run("status");
    expect(code).toBe(1);
    expect(err).toContain("The token's scope is not millrace:admin.\nGive another one");
  });

  it("control's own refusal is passed on; what it finds malformed is wrong use", async () => {
    const refused = { code: "conflict", message: "edge-2 is ending; wait for the next one" };
    control.when("DELETE /v1/drains/edge-2?dryRun=true", { status: 409, body: refused });
    expect(await run("undrain edge-2")).toMatchObject({
      code: 1,
      err: "edge-2 is ending; wait for the next one.\n",
    });
    control.when("DELETE /v1/drains/edge-2?dryRun=true", { status: 400, body: refused });
    expect(await run("undrain edge-2")).toMatchObject({ code: 2 });
  });

  it.each([
    "<html>hello</html>",
    "{}",
    "[]",
    "null",
    '{"message":"hello"}',
    '{"edges":{},"problems":7}',
  ])("what is no control at all is recognised: %s", async (body) => {
    control.when("GET /v1/status", { body });
    const { code, err } = await run("status");
    expect([code, err]).toEqual([
      1,
      `What answers at ${control.url} is not Millrace's control (HTTP 200).
Name the right address with --control URL.
`,
    ]);
  });

  it("an address that is none is wrong use", async () => {
    expect(await run("status --control 127.0.0.1:8070")).toMatchObject({ code: 2 });
  });
});

/** What a checkout would say. */
function product(dataFolder: string | undefined) {
  return {
    control: control.url,
    token: () => `made for ${dataFolder ?? "the newest"}`,
    clientUrls: [],
  };
}

describe("where control is", () => {
  beforeEach(() => {
    control.when("GET /v1/edges", { body: { edges: [] } });
  });

  it("a checkout knows it, and --data chooses among several", async () => {
    await runMillrace(["edges"], { findProduct: product });
    await runMillrace(["edges", "--data", "other"], { findProduct: product });
    expect(control.asked.map(({ token }) => token)).toEqual([
      "made for the newest",
      "made for other",
    ]);
  });

  it("the checkout's token goes to no other control", async () => {
    const { code, err } = await runMillrace(["edges", "--control", control.url], {
      findProduct: product,
    });
    expect([code, control.asked]).toEqual([2, []]);
    expect(err).toContain("No token is given for this control.");
  });

  it("outside of a checkout it has to be named", async () => {
    const { code, err } = await runMillrace(["edges"]);
    expect(code).toBe(2);
    expect(err).toBe(
      "It is not known where control is.\nName it with MILLRACE_CONTROL or --control URL.\n",
    );
  });
});

describe("help", () => {
  it("every command has examples, and takes nobody's connection for it", async () => {
    const lines = (await run("--help")).out.split("\n");
    const names = lines.flatMap((line) => /^ {2}([a-z]+)(?= )/.exec(line)?.[1] ?? []);
    expect(names).toContain("partitions");
    for (const name of names.filter((word) => word !== "help")) {
      const { code, out } = await run(`${name} --help`);
      expect([name, code]).toEqual([name, 0]);
      if (name !== "topics") expect(out).toContain("Examples:\n  $ ");
    }
    expect((await run("topics check --help")).out).toContain(
      "Examples:\n  $ npx millrace topics check",
    );
    expect(control.asked).toEqual([]);
  });

  it("no line is wider than a terminal", async () => {
    for (const line of ["--help", "plan --help", "tail --help", "reassign --help"]) {
      const { out } = await run(line);
      expect(out.split("\n").filter((text) => text.length > 80)).toEqual([]);
    }
  });

  it("without a command it is shown, and that is wrong use", async () => {
    const { code, err } = await runMillrace([]);
    expect([code, err.startsWith("Usage: millrace")]).toEqual([2, true]);
  });
});
