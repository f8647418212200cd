import { type Ownership, createOwnershipGroup } from "@millrace/log";
import { silentLogger, systemClock } from "@millrace/runtime";
import { auditTopicOf, ownershipGroupOf } from "@millrace/schemas";
import { makeTopic, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import type { AuditView, DoneView, PartitionView, PlanView, StatusView } from "./api/views.ts";
import { LIMITS } from "./limits.ts";
import { ControlStage } from "./testing/control-stage.ts";
import { edgeReport, partitionReport } from "./testing/edge-reports.ts";
import { FakeEdge, type FakeAnswer, type FakeOrders } from "./testing/fake-edge.ts";

const PARTITIONS = 4;

let stage: ControlStage;
let orders: FakeOrders;
let members: Map<string, Ownership>;
let edges: Map<string, FakeEdge>;
/** Whether members of the group act on the pins that they hear of. */
let isHeeded: boolean;
let special: (id: string, path: string) => FakeAnswer;

beforeEach(async () => {
  stage = await ControlStage.open();
  orders = { pins: new Map(), weights: new Map(), pauses: new Set() };
  members = new Map();
  edges = new Map();
  isHeeded = true;
  special = () => undefined;
  await makeTopic(inject("kafkaBrokers"), { topic: stage.topic, numPartitions: PARTITIONS });
});

afterEach(() => stage.close());

/** A real member of the real group, and an operators' port that speaks for it. */
async function addEdge(id: string): Promise<void> {
  const member = createOwnershipGroup({
    brokers: inject("kafkaBrokers"),
    topic: stage.topic,
    groupId: ownershipGroupOf(stage.topic),
    partitions: () => PARTITIONS,
    pins: () => (isHeeded ? orders.pins : new Map()),
    self: () => ({ edge: id, address: "", weight: orders.weights.get(id) ?? 1, isDraining: false }),
    clock: systemClock,
    logger: silentLogger,
  });
  members.set(id, member);
  member.join();
  stage.atEnd(() => member.leave());
  const edge = await FakeEdge.start({
    orders,
    report: () => edgeReport(id, { connections: 7, partitions: reports(member) }),
    onOrder: () => {
      for (const one of members.values()) one.refresh();
    },
    answer: ({ path }) => special(id, path),
  });
  edges.set(id, edge);
  stage.atEnd(() => edge.stop());
}

function reports(member: Ownership) {
  return Array.from({ length: PARTITIONS }, (_, partition) => {
    const isPaused = orders.pauses.has(partition);
    return partitionReport(partition, { isOwned: member.owned.has(partition), isPaused });
  });
}

async function startFleet(...ids: readonly string[]): Promise<void> {
  for (const id of ids) await addEdge(id);
  await stage.start({
    edges: [...edges.values()].map(({ address }) => address),
    brokers: inject("kafkaBrokers"),
  });
  await waitFor(async () => (await ownersNow()).every((owner) => owner !== null), {
    what: "each partition has an owner",
  });
  await waitFor(() => [...members.values()].every(({ owned }) => owned.size > 0), {
    what: "each edge owns something",
  });
  await waitFor(async () => (await stage.call("GET", "/v1/audit")).status === 200, {
    what: "the audit can be read",
  });
}

async function ownersNow(): Promise<(string | null)[]> {
  const { partitions } = await stage.get<{ partitions: PartitionView[] }>("/v1/partitions");
  return partitions.map(({ owner }) => owner);
}

/** A partition that this edge owns. */
function ownedBy(id: string): number {
  return [...(members.get(id)?.owned ?? [])][0] ?? -1;
}

async function auditNow(limit = 50): Promise<AuditView[]> {
  return (await stage.get<{ audit: AuditView[] }>(`/v1/audit?limit=${limit}`)).audit;
}

async function plan(method: string, path: string, body?: object): Promise<PlanView> {
  const answer = await stage.call(method, `${path}?dryRun=true`, body && { body });
  expect([path, answer.status]).toEqual([path, 200]);
  return answer.json as unknown as PlanView;
}

describe("control", () => {
  it("moves a partition where it is wished, and leaves no pin behind", async () => {
    await startFleet("edge-1", "edge-2");
    const partition = ownedBy("edge-1");
    const body = { partition, edge: "edge-2" };
    const { moves, reconnects, isDangerous } = await plan("POST", "/v1/moves", body);
    expect(moves).toContainEqual({ partition, from: "edge-1", to: "edge-2" });
    expect([reconnects, isDangerous]).toEqual([0, false]);
    expect(await auditNow()).toEqual([]);
    expect(orders.pins.size).toBe(0);

    const moved = await stage.call("POST", "/v1/moves", { body });
    expect([moved.status, moved.json["done"]]).toEqual([
      200,
      `Partition ${partition} is owned by edge-2.`,
    ]);
    expect(members.get("edge-2")?.owned.has(partition)).toBe(true);
    expect(orders.pins.size).toBe(0);
    // What was foretold has come true, with what moved in return.
    const hasComeTrue = async (): Promise<boolean> => {
      const owners = await ownersNow();
      return moves.every((move) => owners[move.partition] === move.to);
    };
    await waitFor(hasComeTrue, { what: "what was foretold" });
    expect(await auditNow()).toMatchObject([
      {
        action: "move",
        operator: "olga",
        parameters: body,
        status: 200,
        outcome: moved.json["done"],
      },
    ]);
  });

  it("pins a partition until it is unpinned; a move of a pinned one moves the pin", async () => {
    await startFleet("edge-1", "edge-2");
    const partition = ownedBy("edge-1");
    const path = `/v1/pins/${partition}`;
    const pinned = await stage.call("PUT", path, { body: { edge: "edge-2" } });
    expect([pinned.status, orders.pins.get(partition)]).toEqual([200, "edge-2"]);
    const { partitions } = await stage.get<{ partitions: PartitionView[] }>("/v1/partitions");
    expect(partitions[partition]).toMatchObject({ owner: "edge-2", pin: "edge-2" });
    await stage.call("POST", "/v1/moves", { body: { partition, edge: "edge-1" } });
    expect(orders.pins.get(partition)).toBe("edge-1");
    expect(members.get("edge-1")?.owned.has(partition)).toBe(true);
    expect((await stage.call("DELETE", path)).status).toBe(200);
    expect(orders.pins.size).toBe(0);
  });

  it("says what stands when a partition does not move, and lifts the pin again", async () => {
    await startFleet("edge-1", "edge-2");
    isHeeded = false;
    const partition = ownedBy("edge-1");
    const body = { partition, edge: "edge-2" };
    const { status, json } = await stage.call("POST", "/v1/moves", { body });
    expect(status).toBe(503);
    expect(json["message"]).toBe(
      `edge-2 does not own partition ${partition} after 10 s; the pin was lifted again, and nothing else was changed. Look at \`millrace status\``,
    );
    expect(orders.pins.size).toBe(0);
    expect(await auditNow()).toMatchObject([{ status: 503, outcome: json["message"] }]);
    // Somebody was asked to distribute anew before it was given up.
    const asked = [...edges.values()].flatMap((edge) => edge.asked);
    expect(asked.some(({ path }) => path === "/v1/rejoin")).toBe(true);
  });

  it("takes each order to an edge that answers, with the operator's own token", async () => {
    await startFleet("edge-1", "edge-2");
    special = (id, path) => (id === "edge-1" && path !== "/v1/edge" ? [503] : undefined);
    const token = await stage.issuer.token({ sub: "otto" });
    const call = (method: string, path: string, body?: object) =>
      stage.call(method, path, { token, ...(body && { body }) });
    expect((await call("PUT", "/v1/weights/edge-1", { weight: 3 })).status).toBe(200);
    expect(orders.weights.get("edge-1")).toBe(3);
    expect((await call("DELETE", "/v1/weights/edge-1")).status).toBe(200);
    expect((await call("PUT", "/v1/pauses/2")).status).toBe(200);
    expect([...orders.pauses]).toEqual([2]);
    const { problems } = await stage.get<StatusView>("/v1/status");
    expect(problems.map(({ what }) => what)).toContain(
      "partition 2 paused by operators: nothing of it is delivered",
    );
    expect((await call("DELETE", "/v1/pauses/2")).status).toBe(200);
    expect((await call("POST", "/v1/rebalance")).status).toBe(200);
    const puts = edges.get("edge-2")?.asked.filter(({ method }) => method !== "GET") ?? [];
    expect(new Set(puts.map((asked) => asked.token))).toEqual(new Set([token]));
    // A drain is for the edge itself: nobody else can do it.
    const refused = await call("PUT", "/v1/drains/edge-1");
    expect([refused.status, refused.json["code"]]).toEqual([502, "edge-failed"]);
    expect((await call("PUT", "/v1/drains/edge-2", JSON.parse('{"then":"stay"}'))).status).toBe(
      200,
    );
    expect(edges.get("edge-2")?.asked.at(-1)).toMatchObject({
      method: "PUT",
      path: "/v1/drain",
      body: JSON.parse('{"then":"stay"}') as object,
    });
    const actions = (await auditNow()).map(({ action, operator }) => `${action} ${operator}`);
    expect(actions).toEqual([
      "drain otto",
      "drain otto",
      "rebalance otto",
      "resume otto",
      "pause otto",
      "weight.lift otto",
      "weight otto",
    ]);
  });

  it("says before each call what it would do, and whether it is dangerous", async () => {
    await startFleet("edge-1", "edge-2");
    const drain = await plan("PUT", "/v1/drains/edge-1");
    expect(drain).toMatchObject({ reconnects: 7, isDangerous: true });
    expect(drain.moves.map(({ from, to }) => `${from} ${to}`)).toEqual([
      "edge-1 edge-2",
      "edge-1 edge-2",
    ]);
    expect((await plan("PUT", "/v1/pauses/1")).isDangerous).toBe(true);
    expect((await plan("PUT", "/v1/weights/edge-1", { weight: 0 })).isDangerous).toBe(true);
    for (const harmless of [
      await plan("PUT", "/v1/weights/edge-1", { weight: 2 }),
      await plan("PUT", "/v1/pins/1", { edge: "edge-2" }),
      await plan("DELETE", "/v1/pins/1"),
      await plan("DELETE", "/v1/pauses/1"),
      await plan("DELETE", "/v1/weights/edge-1"),
      await plan("POST", "/v1/rebalance"),
      await plan("DELETE", "/v1/drains/edge-1"),
      await plan("DELETE", "/v1/reassignments"),
    ]) {
      expect(harmless.isDangerous).toBe(false);
      expect(harmless.effects.every((sentence) => sentence.endsWith("."))).toBe(true);
    }
    expect(await auditNow()).toEqual([]);
    const asked = [...edges.values()].flatMap((edge) => edge.asked);
    expect(asked.filter(({ method }) => method !== "GET")).toEqual([]);
  });

  it("refuses what can't be done with what to do, and has nothing done", async () => {
    await startFleet("edge-1", "edge-2");
    for (const [method, path, body, status, words] of [
      ["PUT", "/v1/drains/edge-9", undefined, 404, "those that answer: edge-1, edge-2"],
      ["POST", "/v1/moves", { partition: 99, edge: "edge-1" }, 404, "has 0 to 3"],
      ["POST", "/v1/moves", { partition: 1 }, 400, "`edge` must be"],
      ["POST", "/v1/moves", { partition: 1, edge: "edge-1", fast: true }, 400, "not known here"],
      ["PUT", "/v1/weights/edge-1", { weight: -1 }, 400, "from 0 to 1000"],
      ["PUT", "/v1/pauses/one", undefined, 400, "a partition's number"],
      ["POST", "/v1/reassignments", { brokers: [] }, 400, "a list of brokers"],
      ["POST", "/v1/reassignments", { brokers: [77] }, 404, "no broker 77"],
      ["POST", "/v1/rebalance?dryRun=yes", undefined, 400, "true or false"],
      ["POST", "/v1/rebalance?dryrun=true", undefined, 400, "only parameter"],
      ["GET", "/v1/audit?limit=0", undefined, 400, "from 1 to"],
      ["GET", "/v1/nothing", undefined, 404, "README"],
      ["POST", "/v1/moves", { partition: 1, edge: "x".repeat(20_000) }, 413, "16384 bytes"],
    ] as const) {
      const answer = await stage.call(method, path, body === undefined ? {} : { body });
      expect([path, answer.status]).toEqual([path, status]);
      expect(String(answer.json["message"])).toContain(words);
    }
    const asked = [...edges.values()].flatMap((edge) => edge.asked);
    expect(asked.filter(({ method }) => method !== "GET")).toEqual([]);
  });

  it("pages through the audit from the newest to the oldest, each call once", async () => {
    await startFleet("edge-1");
    for (let count = 0; count < 7; count++) await stage.call("PUT", `/v1/pauses/${count % 4}`);
    const seen: string[] = [];
    let after = "";
    for (let page = 0; page < 10; page++) {
      const view = await stage.get<{ audit: AuditView[]; next?: string }>(
        `/v1/audit?limit=3${after}`,
      );
      expect(view.audit.length).toBeLessThanOrEqual(3);
      for (const { id, status } of view.audit) {
        expect(status).toBe(200);
        seen.push(id);
      }
      if (view.next === undefined) break;
      after = `&after=${view.next}`;
    }
    expect(new Set(seen).size).toBe(7);
    expect(seen).toHaveLength(7);
    const times = (await auditNow()).map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((one, other) => other - one));
  });

  it("explains a client by all that edges say of it", async () => {
    await startFleet("edge-1", "edge-2");
    special = (id, path) => {
      const [connections, named] = path.split("?conversation=");
      if (connections === "/v1/users/alice/connections") {
        const rights = { conversation: named, mayRead: false, mayWrite: false };
        const connection = { ...ALICE, connection: `c-${id}`, ...(named && { rights }) };
        return [
          200,
          id === "edge-1" ? { connections: [connection], total: 1 } : { connections: [], total: 0 },
        ];
      }
      if (path.startsWith("/v1/rulings")) return [200, { rulings: [] }];
      if (path === "/v1/conversations/room%3A1") {
        return [
          200,
          {
            conversation: "room:1",
            partition: null,
            lastPosition: null,
            live: 1,
            catchingUp: 0,
            lagging: 0,
          },
        ];
      }
      return undefined;
    };
    const client = await stage.get<Record<string, unknown>>("/v1/explain/clients/alice");
    expect(client).toMatchObject({
      subject: { client: "alice" },
      verdict: expect.stringMatching(/^Nothing is wrong/) as string,
      connections: [{ connection: "c-edge-1", edge: "edge-1" }],
    });
    const lab = await stage.get<Record<string, unknown>>(
      "/v1/explain/clients/alice?conversation=lab",
    );
    expect(lab["verdict"]).toMatch(/^The token of connection c-edge-1 may not read lab:/);
    const room = await stage.get<Record<string, unknown>>("/v1/explain/conversations/room%3A1");
    expect(room).toMatchObject({
      subject: { conversation: "room:1" },
      onEdges: [{ edge: "edge-1" }, { edge: "edge-2" }],
    });
    orders.pauses.add(0);
    orders.pauses.add(1);
    orders.pauses.add(2);
    orders.pauses.add(3);
    const paused = await stage.get<Record<string, unknown>>("/v1/explain/conversations/room%3A1");
    expect(paused["verdict"]).toMatch(/is paused by an operator/);
    expect((await stage.call("GET", "/v1/explain/conversations/dm%3Ax")).status).toBe(400);
  });

  it("tells those who follow once a second, and at once of what is done", async () => {
    await startFleet("edge-1");
    const follower = await Follower.open(stage);
    await waitFor(() => follower.events("status").length >= 2, { what: "two looks" });
    expect(follower.events("partitions").length).toBeGreaterThan(0);
    const done = await stage.call("PUT", "/v1/pauses/1");
    const { auditId } = done.json as unknown as DoneView;
    await waitFor(() => follower.events("audit").length === 2, { what: "both records" });
    expect(follower.events("audit")).toMatchObject([
      { id: auditId, action: "pause", status: null },
      { id: auditId, action: "pause", status: 200 },
    ]);
    // One look serves all, however many follow.
    const more = await Promise.all(
      Array.from({ length: LIMITS.followers - 1 }, () => Follower.open(stage)),
    );
    expect((await stage.call("GET", "/v1/events")).status).toBe(503);
    const asked = edges.get("edge-1")?.asked ?? [];
    asked.length = 0;
    await waitFor(() => more.every((one) => one.events("status").length >= 3), { what: "looks" });
    const looks = asked.filter(({ path }) => path === "/v1/edge").length;
    expect(looks).toBeLessThanOrEqual(8);
    for (const one of [...more, follower]) one.close();
    await waitFor(async () => (await stage.call("GET", "/v1/status")).status === 200, {
      what: "room",
    });
  });

  it("lets a follower go when its token ends", async () => {
    await startFleet("edge-1");
    const exp = Math.floor(Date.now() / 1_000) + 3;
    const follower = await Follower.open(stage, await stage.issuer.token({ exp }));
    await waitFor(() => follower.isOver, { what: "the end" });
    expect(follower.events("expired")).toMatchObject([{ code: "unauthorized" }]);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1_000 - 1_000);
  });

  it("makes the topic of audit with the settings that its promise needs", async () => {
    await startFleet("edge-1");
    const { topics } = await stage.get<{
      topics: { topic: string; purpose: string; problems: unknown[] }[];
    }>("/v1/topics");
    const audit = topics.find(({ purpose }) => purpose === "audit");
    expect(audit).toEqual({ topic: auditTopicOf(stage.topic), purpose: "audit", problems: [] });
    const missing = topics.find(({ purpose }) => purpose === "cursors");
    expect(missing?.problems).toMatchObject([{ setting: "topic", value: "missing" }]);
  });
});

const ALICE = {
  connection: "c1",
  session: "s1",
  user: "alice",
  device: null,
  isResumed: false,
  openedAtMs: 1,
  tokenExpiresInMs: 3_600_000,
  quietMs: 1,
  bufferedBytes: 0,
  waitingBytes: 0,
  subscriptionsTotal: 1,
  subscriptions: [{ conversation: "room:1", partition: 1, state: "live", told: null }],
};

/** Somebody who follows the events. */
class Follower {
  readonly #abort = new AbortController();
  readonly #told: { readonly event: string; readonly data: unknown }[] = [];
  isOver = false;

  static async open(of: ControlStage, token?: string): Promise<Follower> {
    const follower = new Follower();
    const authorization = `Bearer ${token ?? (await of.issuer.token())}`;
    const response = await fetch(`${of.url}/v1/events`, {
      headers: { authorization },
      signal: follower.#abort.signal,
    });
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      "text/event-stream",
    ]);
    void follower.#read(response);
    of.atEnd(() => follower.close());
    return follower;
  }

  events(event: string): unknown[] {
    return this.#told.filter((told) => told.event === event).map(({ data }) => data);
  }

  close(): void {
    this.#abort.abort();
  }

  /** Never rejects: a line that is cut is over. */
  async #read({ body }: Response): Promise<void> {
    let text = "";
    try {
      for await (const part of body ?? []) {
        text += Buffer.from(part as Uint8Array).toString();
        const blocks = text.split("\n\n");
        text = blocks.pop() ?? "";
        for (const block of blocks) this.#take(block);
      }
    } catch {
      // Its own end.
    }
    this.isOver = true;
  }

  #take(block: string): void {
    const event = /^event: (.*)$/m.exec(block)?.[1];
    const data = /^data: (.*)$/m.exec(block)?.[1];
    if (event !== undefined && data !== undefined) {
      this.#told.push({ event, data: JSON.parse(data) as unknown });
    }
  }
}
