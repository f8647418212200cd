import type {
  ConnectionReport,
  ConversationReport,
  EdgeReport,
  HotConversation,
} from "@millrace/schemas";
import { freePort, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { EdgeStage, type LocalEdge, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import { ask } from "./testing/http-client.ts";
import { byPartition } from "./testing/metric-of.ts";
import { Operator, thenBody } from "./testing/operator.ts";

const ROOM = "room:1/2 ü";
const QUIET = "room:quiet";
const NOBODYS = "room:nobody's";

let stage: EdgeStage;
let edge: LocalEdge;
let operator: Operator;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
  edge = await stage.start("edge-1", {}, { EDGE_WEIGHT: "3" });
  operator = await Operator.of(stage, edge);
});

afterEach(() => stage.close());

async function told<Report>(path: string): Promise<Report> {
  const { status, json, text } = await operator.call("GET", path);
  expect([status, text]).toEqual([200, expect.any(String)]);
  return json as unknown as Report;
}

function aboutUser(user: string): Promise<{ connections: ConnectionReport[]; total: number }> {
  return told(`/v1/users/${encodeURIComponent(user)}/connections`);
}

/** Of each of alice's connections. */
async function may(c: string): Promise<readonly ConnectionReport["rights"][]> {
  const path = `/v1/users/alice/connections?conversation=${encodeURIComponent(c)}`;
  const { connections } = await told<{ connections: ConnectionReport[] }>(path);
  return connections.map(({ rights }) => rights);
}

function aboutConversation(c: string): Promise<ConversationReport> {
  return told(`/v1/conversations/${encodeURIComponent(c)}`);
}

function hot({ partitions }: EdgeReport): readonly HotConversation[] {
  return partitions.flatMap(({ hottest }) => hottest);
}

/** Undefined: not all of them are told of now. */
async function seen(...wanted: readonly string[]): Promise<EdgeReport | undefined> {
  const report = await told<EdgeReport>("/v1/edge");
  const names = new Set<string>(hot(report).map(({ conversation }) => conversation));
  return wanted.every((c) => names.has(c)) ? report : undefined;
}

/** It owns every partition, and relays. */
async function isOwner(): Promise<boolean> {
  const { delivery, partitions } = await told<EdgeReport>("/v1/edge");
  return delivery === "relay" && partitions.every(({ isOwned }) => isOwned);
}

describe("what an edge tells operators", () => {
  it("An edge says how it stands, what it does in a second, and which conversations are hot", async () => {
    const [alice, bob] = [await stage.connect(edge, "alice"), await stage.connect(edge, "bob")];
    for (const client of [alice, bob]) {
      await subscribe(client, ROOM, "live");
      await subscribe(client, QUIET, "live");
    }
    const bodies = Array.from({ length: 40 }, (_, index) => `m${index}`);
    await publish(alice, ROOM, bodies);
    await whenHas(bob, ROOM, bodies);
    let rounds = 0;
    // On a busy machine what was said a moment ago may be older than what is told of.
    const saidOf = async (): Promise<EdgeReport | undefined> => {
      rounds += 1;
      await publish(alice, ROOM, [`again-${rounds}`]);
      await publish(alice, NOBODYS, [`unheard-${rounds}`]);
      return seen(ROOM, NOBODYS);
    };
    const report = await waitFor(saidOf, { what: "both conversations are told of" });
    expect(report).toMatchObject({
      id: "edge-1",
      pid: process.pid,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      state: "serving",
      isReady: true,
      delivery: "direct",
      weight: 3,
      connections: 2,
      subscriptions: 4,
      lagging: 0,
      bufferedBytes: 0,
      isRedisUp: true,
      topic: { name: stage.topic, epoch: expect.any(String), partitions: 12 },
    });
    expect(report.connectionsMax).toBeGreaterThan(2);
    expect(report.memoryShare).toBeGreaterThan(0);
    expect(Math.abs(Date.now() - report.startedAtMs)).toBeLessThan(120_000);
    expect(report.logSilenceMs).toBeLessThan(10_000);
    expect(report.rulingsSilenceMs).toBeLessThan(10_000);
    expect(report.rates.publishesPerSec).toBeGreaterThan(0);
    expect(report.rates.publishesPerSec).toBeLessThanOrEqual(40 + 2 * rounds);
    expect(report.rates.deliveriesPerSec).toBeGreaterThan(0);
    expect(report.rates.handshakesPerSec).toBeGreaterThanOrEqual(0);
    for (const latency of [report.publishLatency, report.deliveryLatency]) {
      expect(latency?.p50Ms).toBeGreaterThan(0);
      expect(latency?.p99Ms).toBeGreaterThanOrEqual(latency?.p50Ms ?? Infinity);
    }
    const { partition } = await aboutConversation(ROOM);
    expect(report.partitions.map((one) => one.partition)).toEqual([...Array(12).keys()]);
    const busy = report.partitions.find((one) => one.partition === partition?.partition);
    expect(busy).toMatchObject({ mode: "direct", isPaused: false, lag: 0, lagMs: 0, stalledMs: 0 });
    expect(busy?.position).toBe(busy?.end);
    expect(busy?.recordsPerSec).toBeGreaterThan(0);
    const room = busy?.hottest.find(({ conversation }) => conversation === ROOM);
    expect(room).toMatchObject({ subscribers: 2, recordsPerSec: expect.any(Number) });
    expect(hot(report).find((one) => one.conversation === NOBODYS)?.subscribers).toBe(0);
    const subscribers = report.partitions.reduce((sum, one) => sum + one.subscribers, 0);
    expect(subscribers).toBe(4);
    const lags = await byPartition(edge, "millrace_tail_lag_seconds");
    expect([...lags.values()]).toEqual(Array.from({ length: 12 }, () => 0));
  });

  it("An edge says of each connection of a user how it stands, and no secret of it", async () => {
    const user = "who/ever ü";
    const token = await stage.issuer.token({ sub: user });
    const query = { device: "phone" };
    const phone = await stage.connectByToken(edge, token, query);
    await stage.connect(edge, user);
    await stage.connect(edge, "somebody else");
    await subscribe(phone, ROOM, "live");
    await publish(phone, ROOM, ["the body"]);
    await whenHas(phone, ROOM, ["the body"]);
    const { connections, total } = await aboutUser(user);
    expect([total, connections.length]).toEqual([2, 2]);
    const known = connections.find(({ device }) => device === "phone");
    const welcome = phone.frames[0];
    const [message] = phone.messages(ROOM);
    expect(known).toMatchObject({
      connection: welcome?.conn,
      session: welcome?.session,
      user,
      isResumed: false,
      bufferedBytes: 0,
      waitingBytes: 0,
      subscriptionsTotal: 1,
      subscriptions: [{ conversation: ROOM, state: "live", told: message?.pos }],
    });
    expect(known?.tokenExpiresInMs).toBeGreaterThan(0);
    expect(Math.abs(Date.now() - (known?.openedAtMs ?? 0))).toBeLessThan(60_000);
    expect(known?.quietMs).toBeGreaterThanOrEqual(0);
    const silent = connections.find(({ device }) => device === null);
    expect(silent).toMatchObject({ subscriptionsTotal: 0, subscriptions: [] });
    const text = JSON.stringify(connections);
    for (const secret of [token, "the body"]) expect(text).not.toContain(secret);
    expect(await aboutUser("nobody")).toEqual({ connections: [], total: 0 });
  });

  it("An edge says of each connection what it may do in a conversation, as of now", async () => {
    const rights = { read: ["room:*"], write: ["room:w*"] };
    const token = await stage.issuer.token({ sub: "alice", millrace: rights });
    await stage.connectByToken(edge, token, {});
    const [open, readOnly, foreign] = [
      { conversation: "room:w", mayRead: true, mayWrite: true },
      { conversation: ROOM, mayRead: true, mayWrite: false },
      { conversation: "lab:1", mayRead: false, mayWrite: false },
    ];
    expect(await may("room:w")).toEqual([open]);
    expect(await may(ROOM)).toEqual([readOnly]);
    expect(await may("lab:1")).toEqual([foreign]);
    expect(await may("dm:alice:bob")).toMatchObject([{ mayRead: true, mayWrite: true }]);
    expect(await may("dm:bob:carol")).toMatchObject([{ mayRead: false, mayWrite: false }]);
    const { status } = await operator.call("PUT", "/v1/removals/room:w/alice");
    expect(status).toBe(200);
    const isRemoved = async (): Promise<boolean> => (await may("room:w"))[0]?.mayRead === false;
    await waitFor(isRemoved, { what: "the removal holds in the report" });
    expect((await aboutUser("alice")).connections[0]).not.toHaveProperty("rights");
    const wrong = "/v1/users/alice/connections?conversation=dm%3Ano";
    expect((await operator.call("GET", wrong)).status).toBe(400);
  });

  it("An edge says of a conversation who hears it here, and where it stands", async () => {
    const alice = await stage.connect(edge, "alice");
    await subscribe(alice, ROOM, "live");
    for (const body of ["one", "two"]) await publish(alice, ROOM, [body]);
    await whenHas(alice, ROOM, ["one", "two"]);
    const isLive = async (): Promise<boolean> => (await aboutConversation(ROOM)).live === 1;
    await waitFor(isLive, { what: "alice is live" });
    const report = await aboutConversation(ROOM);
    expect(report).toMatchObject({
      conversation: ROOM,
      lastPosition: alice.messages(ROOM)[1]?.pos,
      live: 1,
      catchingUp: 0,
      lagging: 0,
      partition: { lag: 0, subscribers: 1 },
    });
    expect(report.lastPosition?.split(".")[1]).toBe(String(report.partition?.partition));
    const unheard = await aboutConversation("room:unheard");
    expect(unheard).toMatchObject({ lastPosition: null, live: 0, catchingUp: 0, lagging: 0 });
    expect(unheard.partition).not.toBeNull();
  });

  it("Where records are relayed, whoever owns a partition says so, and sees all of it", async () => {
    // The one that was there already has its share of the partitions otherwise.
    const { json } = await operator.call("PUT", "/v1/drain", thenBody("stay"));
    expect(json).toEqual({ drainMs: expect.any(Number) });
    edge = await stage.start("edge-2", {}, { EDGE_DELIVERY: "relay" });
    operator = await Operator.of(stage, edge);
    await waitFor(isOwner, { what: "all partitions are its own" });
    const alice = await stage.connect(edge, "alice");
    await subscribe(alice, ROOM, "live");
    // One after the other: on a busy machine the first of two could come too late alone.
    for (const body of ["one", "two"]) await publish(alice, ROOM, [body]);
    await publish(alice, QUIET, ["unheard"]);
    await whenHas(alice, ROOM, ["one", "two"]);
    await waitFor(() => seen(QUIET), { what: "what nobody here has subscribed is counted" });
    const isAtEnd = async (): Promise<boolean> => {
      const { partition } = await aboutConversation(ROOM);
      return partition?.position === partition?.end && Number(partition?.end) >= 2;
    };
    await waitFor(isAtEnd, { what: "everything was handed on" });
    const { partition } = await aboutConversation(ROOM);
    expect(partition).toMatchObject({ mode: "direct", lag: 0, lagMs: 0, subscribers: 1 });
    const [hottest] = partition?.hottest ?? [];
    expect(hottest).toMatchObject({ conversation: ROOM, subscribers: 1 });
    // Twice read is once counted: in ten seconds at least, two records.
    expect(hottest?.recordsPerSec).toBeLessThanOrEqual(2 / 5);
  });

  it("An edge that drains says so to operators, as long as it is there", async () => {
    const port = await freePort();
    const env = { EDGE_ADMIN: `127.0.0.1:${port}`, EDGE_DRAIN_MS: "5000" };
    const leaving = await stage.spawn("edge-2", { env });
    operator = await Operator.at(stage, port);
    // Whoever stays until it is told to go holds the drain up.
    await stage.connect(leaving, "alice");
    const { state, isReady } = await told<EdgeReport>("/v1/edge");
    expect([state, isReady]).toEqual(["serving", true]);
    expect((await operator.call("PUT", "/v1/drain")).status).toBe(202);
    const isDraining = async (): Promise<boolean> => {
      const report = await told<EdgeReport>("/v1/edge");
      return report.state === "draining" && !report.isReady;
    };
    await waitFor(isDraining, { what: "it says that it drains" });
  });

  it("Names that are none are refused, and so is whoever is no operator", async () => {
    const wrong = ["b".repeat(91), "%ff"].map((user) => `/v1/users/${user}/connections`);
    for (const path of [...wrong, "/v1/conversations/dm%3Ano", "/v1/conversations/%ff"]) {
      expect([path, (await operator.call("GET", path)).status]).toEqual([path, 400]);
    }
    const token = await stage.issuer.token({ sub: "alice" });
    for (const path of ["/v1/edge", "/v1/users/alice/connections", "/v1/conversations/room%3A1"]) {
      const statuses = [
        (await ask(edge.edge.adminPort, path, { token })).status,
        (await ask(edge.edge.adminPort, path)).status,
      ];
      expect([path, statuses]).toEqual([path, [403, 401]]);
    }
  });
});
