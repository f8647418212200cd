import { silentLogger } from "@millrace/runtime";
import { FakeClock } from "@millrace/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import type { ApiCall } from "../api/routes.ts";
import type { ControlServices } from "../control-services.ts";
import type { EdgeAnswer, EdgeRequest } from "../edges/edge-client.ts";
import { EdgeDirectory } from "../edges/edge-directory.ts";
import { overviewOf } from "../overview/overview.ts";
import { edgeReport, groupOf, overviewFrom } from "../testing/edge-reports.ts";
import { MOVE_CALLS } from "./moves.ts";
import type { CallContext } from "./operator-call.ts";
import { PAUSE_CALLS } from "./pauses.ts";
import { WEIGHT_CALLS } from "./weights.ts";

const OPERATOR = { name: "olga", token: "t", expiresAtMs: 0 };
const SILENT: EdgeAnswer = { kind: "failed", why: "no answer within 7 s", isUnknown: true };
const AWAY: EdgeAnswer = { kind: "failed", why: "connection refused" };

let pins: Map<number, string>;
let services: ControlServices;
let asked: string[];
/** Instead of what the fleet would do. */
let fails: (request: EdgeRequest) => EdgeAnswer | undefined;

function good(json: unknown): EdgeAnswer {
  return { kind: "answered", status: 200, json };
}

/** Two edges that share their pins, and a group that heeds them at once. */
function answerTo(address: string, request: EdgeRequest): EdgeAnswer {
  const { method, path, body } = request;
  if (path === "/v1/edge") return good(edgeReport(address.split(":")[0] ?? ""));
  if (path === "/v1/orders") {
    const told = [...pins].map(([partition, edge]) => ({ partition, edge }));
    return good({ pins: told, weights: [], pauses: [] });
  }
  asked.push(`${method} ${path}`);
  const failure = fails(request);
  if (failure !== undefined) return failure;
  const partition = Number(path.split("/").at(-1));
  if (method === "PUT") pins.set(partition, (body as { readonly edge: string }).edge);
  else pins.delete(partition);
  return good(null);
}

beforeEach(() => {
  pins = new Map();
  asked = [];
  fails = () => undefined;
  const clock = new FakeClock();
  const directory = new EdgeDirectory({
    edges: ["edge-1:1", "edge-2:1"],
    clock,
    resolve: async (host) => [host],
    ask: async (address, _, request) => answerTo(address, request),
  });
  const cluster = () => {
    const owner = pins.get(0) ?? "edge-1";
    const other = owner === "edge-1" ? "edge-2" : "edge-1";
    return overviewFrom({ cluster: { group: groupOf({ [owner]: [0, 1], [other]: [2, 3] }) } })
      .cluster;
  };
  services = {
    topic: "chat.messages",
    clock,
    logger: silentLogger,
    directory,
    cluster: { fresh: async () => cluster(), look: async () => cluster() },
    topicChecks: { told: () => Promise.resolve([]) },
    moving: new Set(),
  } as unknown as ControlServices;
});

const [move, pin] = MOVE_CALLS;

async function contextNow(): Promise<CallContext> {
  const overview = await overviewOf(services, { token: "t", isFresh: true });
  return { services, overview, operator: OPERATOR };
}

async function run(
  call: (typeof MOVE_CALLS)[number] | undefined,
  words: Partial<ApiCall>,
  context?: CallContext,
): Promise<string> {
  return (await runWhole(call, words, context)).done;
}

async function runWhole(
  call: (typeof MOVE_CALLS)[number] | undefined,
  words: Partial<ApiCall>,
  context?: CallContext,
) {
  if (call === undefined) throw new Error("there is no such call");
  const whole = { operator: OPERATOR, address: "", names: {}, query: {}, body: {}, ...words };
  return call.prepare(whole).run(context ?? (await contextNow()));
}

const TO_2 = { body: { partition: 0, edge: "edge-2" } };

describe("a move", () => {
  it("leaves no pin behind that another operator's move had for a moment", async () => {
    pins.set(0, "edge-2");
    // Seen while another move holds its pin, which is lifted before this one begins.
    const seen = await contextNow();
    pins.clear();
    expect(await run(move, TO_2, seen)).toBe("Partition 0 is owned by edge-2.");
    expect([...pins]).toEqual([]);
  });

  it("tells of all that has changed hands with it, as does a pin", async () => {
    const all = [
      { partition: 0, from: "edge-1", to: "edge-2" },
      { partition: 1, from: "edge-1", to: "edge-2" },
      { partition: 2, from: "edge-2", to: "edge-1" },
      { partition: 3, from: "edge-2", to: "edge-1" },
    ];
    expect((await runWhole(move, TO_2)).moves).toEqual(all);
    const words = { names: { partition: "0" }, body: { edge: "edge-2" } };
    expect((await runWhole(pin, words)).moves).toEqual(all);
    expect((await runWhole(pin, words)).moves).toEqual([]);
  });

  it("takes back what nobody has confirmed", async () => {
    fails = ({ method, path }) => {
      if (method !== "PUT") return undefined;
      // It is written, and nobody hears of it.
      pins.set(Number(path.split("/").at(-1)), "edge-2");
      return SILENT;
    };
    await expect(run(move, TO_2)).rejects.toMatchObject({
      refusal: { status: 502, message: expect.stringContaining("; the pin was lifted again.") },
    });
    expect([...pins]).toEqual([]);
  });

  it("says what may hold when that can't be taken back", async () => {
    fails = ({ method }) => (method === "PUT" ? SILENT : AWAY);
    await expect(run(move, TO_2)).rejects.toThrow("it may hold all the same: `millrace unpin 0`");
    pins.set(0, "edge-1");
    await expect(run(move, TO_2)).rejects.toThrow("all the same: `millrace pin 0 edge-1`");
  });

  it("passes an edge's own refusal on, and has nothing to take back", async () => {
    fails = () => ({ kind: "answered", status: 400, json: { message: "no such partition" } });
    await expect(run(move, TO_2)).rejects.toMatchObject({
      refusal: { status: 400, code: "bad-request", message: expect.stringContaining("no such") },
    });
    expect(asked).toEqual(["PUT /v1/pins/0"]);
  });
});

describe("an order that no edge has confirmed", () => {
  it("is not called undone, and what takes it back is named", async () => {
    fails = () => SILENT;
    const names = { partition: "0", edge: "edge-1" };
    const [weight] = WEIGHT_CALLS;
    const [pause, resume] = PAUSE_CALLS;
    for (const [call, body, undo] of [
      [pin, { edge: "edge-2" }, "`millrace unpin 0`"],
      [weight, { weight: 3 }, "`millrace weight edge-1 --clear`"],
      [pause, {}, "`millrace resume 0`"],
      [resume, {}, "look at `millrace status`, and try again"],
    ] as const) {
      const words = `it may hold all the same: ${undo}`;
      await expect(run(call, { names, body })).rejects.toThrow(words);
    }
    fails = () => AWAY;
    await expect(run(pause, { names })).rejects.toThrow("no edge has taken it");
  });
});
