import { type AddressInfo, createServer } from "node:net";
import { systemClock } from "@millrace/runtime";
import { afterEach, describe, expect, it } from "vitest";
import { LIMITS } from "../limits.ts";
import { edgeReport } from "../testing/edge-reports.ts";
import { FakeEdge, type FakeEdgeOptions } from "../testing/fake-edge.ts";
import { type EdgeAnswer, askEdge } from "./edge-client.ts";
import { EdgeDirectory, edgeOf } from "./edge-directory.ts";

const edges: FakeEdge[] = [];

afterEach(async () => {
  await Promise.all(edges.splice(0).map((edge) => edge.stop()));
});

async function fakeEdge(options: FakeEdgeOptions): Promise<FakeEdge> {
  const edge = await FakeEdge.start(options);
  edges.push(edge);
  return edge;
}

const AWAY: EdgeAnswer = { kind: "failed", why: "connection refused" };
const SILENT: EdgeAnswer = { kind: "failed", why: "no answer", isUnknown: true };
const UNKNOWN = { kind: "unknown", status: 502 };

function answered(status: number, unknown = false): EdgeAnswer {
  return { kind: "answered", status, json: unknown ? { unknown } : {} };
}

function directoryOf(...places: readonly string[]): EdgeDirectory {
  return new EdgeDirectory({ edges: places, clock: systemClock });
}

describe("the look at all edges", () => {
  it("is not held up by those that do not answer, and says why they are missing", async () => {
    const orders = { pins: new Map(), weights: new Map(), pauses: new Set<number>() };
    const good = await fakeEdge({ report: () => edgeReport("edge-1"), orders });
    const slow = await Promise.all(
      [2, 3, 4, 5].map((number) =>
        fakeEdge({ report: () => edgeReport(`edge-${number}`), delayMs: 60_000 }),
      ),
    );
    const places = slow.map(({ address }) => address);
    const startMs = performance.now();
    const look = await directoryOf(...places, good.address, "localhost:1").look("token");
    expect(performance.now() - startMs).toBeLessThan(LIMITS.edgeMs * 2.5);
    expect(look.edges.map(({ report }) => report.id)).toEqual(["edge-1"]);
    expect(look.orders).toEqual({ pins: [], weights: [], pauses: [] });
    const whys = new Map(look.unreachable.map(({ address, why }) => [address, why]));
    for (const place of places) expect(whys.get(place)).toBe("no answer within 2 s");
    expect(look.unreachable.length).toBeGreaterThan(places.length);
  });

  it("steps over fields that it does not know, and names what an earlier build lacks", async () => {
    const newer = { ...edgeReport("edge-1"), moods: ["good"] };
    const { partitions, ...older } = edgeReport("edge-2");
    expect(partitions.length).toBeGreaterThan(0);
    const places = [
      await fakeEdge({ report: () => newer }),
      await fakeEdge({ report: () => older }),
      await fakeEdge({ report: () => ({}), answer: () => [404, {}] }),
      await fakeEdge({ report: () => ({}), answer: () => [401, { message: "no" }] }),
    ].map(({ address }) => address);
    const look = await directoryOf(...places).look("token");
    expect(look.edges.map(({ report }) => report.id)).toEqual(["edge-1"]);
    expect(look.unreachable.map(({ why }) => why)).toEqual([
      "no edge, or one of an earlier build: its report lacks partitions",
      "an edge of an earlier build, which tells nothing",
      "it answers 401: no",
    ]);
  });

  it("asks every address of a name, and counts an edge that has two of them once", async () => {
    const edge = await fakeEdge({ report: () => edgeReport("edge-1") });
    const port = edge.address.split(":")[1] ?? "";
    const directory = new EdgeDirectory({
      edges: [`edge-admin:${port}`, `nobody:${port}`],
      clock: systemClock,
      resolve: async (host) => {
        if (host === "nobody") throw new Error("ENOTFOUND");
        return ["127.0.0.1", "127.0.0.2"];
      },
      ask: async (address) => {
        const json = edgeReport(address.startsWith("127.0.0.1") ? "edge-1" : "edge-2");
        return { kind: "answered", status: 200, json };
      },
    });
    const look = await directory.look("token");
    expect(look.edges.map(({ address }) => address)).toEqual([
      `127.0.0.1:${port}`,
      `127.0.0.2:${port}`,
    ]);
    expect(look.unreachable).toEqual([
      { address: `nobody:${port}`, why: "the name can't be resolved: ENOTFOUND" },
    ]);
    const twice = new EdgeDirectory({
      edges: ["a:1", "b:1"],
      clock: systemClock,
      resolve: async (host) => [host],
      ask: async () => ({ kind: "answered", status: 200, json: edgeReport("edge-1") }),
    });
    expect((await twice.look("token")).edges).toHaveLength(1);
  });

  it("serves everybody for a second, and passes the operator's token on", async () => {
    const edge = await fakeEdge({ report: () => edgeReport("edge-1") });
    const directory = directoryOf(edge.address);
    await Promise.all([directory.look("one"), directory.look("two"), directory.look("three")]);
    await directory.look("four");
    const reports = edge.asked.filter(({ path }) => path === "/v1/edge");
    expect(reports.map(({ token }) => token)).toEqual(["one"]);
    await directory.fresh("five");
    expect(edge.asked.filter(({ path }) => path === "/v1/edge")).toHaveLength(2);
  });

  it("lists those that there are when an edge is not known", async () => {
    const look = await directoryOf(
      (await fakeEdge({ report: () => edgeReport("edge-1") })).address,
    ).look("t");
    expect(() => edgeOf(look, "edge-9")).toThrow("no edge edge-9; those that answer: edge-1");
  });

  it("gives an order to whoever takes it", async () => {
    const refusing = await fakeEdge({
      report: () => edgeReport("edge-1"),
      answer: ({ method }) =>
        method === "PUT" ? [503, { message: "the log is away" }] : undefined,
    });
    const taking = await fakeEdge({
      report: () => edgeReport("edge-2"),
      answer: ({ method }) => (method === "PUT" ? [204] : undefined),
    });
    const directory = directoryOf(refusing.address, taking.address);
    const { edges: seen } = await directory.look("t");
    const request = { method: "PUT", path: "/v1/pins/1", body: { edge: "edge-1" } } as const;
    expect(await directory.askAny(seen, "t", request)).toMatchObject({
      kind: "taken",
      edge: { report: { id: "edge-2" } },
    });
    const why = "edge-1: it answers 503: the log is away";
    const none = await directory.askAny(seen.slice(0, 1), "t", request);
    expect(none).toEqual({ kind: "refused", status: 502, why });
  });

  it.each<[string, readonly EdgeAnswer[], object]>([
    ["an edge's own refusal is passed on", [answered(403), answered(403)], { status: 403 }],
    ["what is wrong for all is asked of one", [answered(400)], { status: 400 }],
    ["edges that disagree are edges that fail", [answered(403), answered(503)], { status: 502 }],
    ["an edge that does not know the call is none's fault", [answered(404), AWAY], { status: 502 }],
    ["who was not reached has done nothing", [AWAY, AWAY], { kind: "refused" }],
    [
      "who has not answered may have done it",
      [SILENT, answered(503)],
      { kind: "unknown", status: 502 },
    ],
    ["who does not know whether it holds says so", [answered(503, true), AWAY], UNKNOWN],
    ["whoever takes it after all settles it", [SILENT, answered(204)], { kind: "taken" }],
  ])("of an order: %s", async (_, answers, outcome) => {
    const left = [...answers];
    const directory = new EdgeDirectory({
      edges: [],
      clock: systemClock,
      ask: async () => left.shift() ?? { kind: "failed", why: "nobody else was to be asked" },
    });
    const seen = [1, 2].map((n) => ({ address: "", report: edgeReport(`edge-${n}`) }));
    const request = { method: "PUT", path: "/v1/pauses/1" } as const;
    expect(await directory.askAny(seen, "t", request)).toMatchObject(outcome);
    expect(left).toEqual([]);
  });

  it("tells what was never asked from what has not answered", async () => {
    const request = { method: "PUT", path: "/v1/pauses/1" } as const;
    const gone = await FakeEdge.start({ report: () => ({}) });
    const { address } = gone;
    await gone.stop();
    expect(await askEdge(address, "t", request)).toMatchObject({
      kind: "failed",
      isUnknown: false,
    });
    const cut = createServer((socket) => socket.once("data", () => socket.destroy()));
    await new Promise<void>((resolve) => cut.listen(0, "127.0.0.1", resolve));
    const { port } = cut.address() as AddressInfo;
    const answer = await askEdge(`127.0.0.1:${port}`, "t", request);
    cut.close();
    expect(answer).toMatchObject({ kind: "failed", isUnknown: true });
  });

  it("says how many addresses are more than it asks", async () => {
    const directory = new EdgeDirectory({
      edges: ["many:1"],
      clock: systemClock,
      resolve: async () => Array.from({ length: LIMITS.edges + 3 }, (_, n) => `host-${n}`),
      ask: async () => ({ kind: "failed", why: "away" }),
    });
    const { unasked, unreachable } = await directory.look("t");
    expect([unasked, unreachable.length]).toEqual([3, LIMITS.edges]);
  });
});
