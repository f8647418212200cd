import { ownershipGroupOf } from "@millrace/schemas";
import { type EdgeProcess, RedisServer, waitFor, withAdmin } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { printMeasured } from "../../services/edge/src/testing/measured.ts";
import { percentile } from "../../services/edge/src/testing/percentile.ts";
import type { RawClient } from "../../services/edge/src/testing/raw-client.ts";
import { Balancer } from "./balancer.ts";
import { Crowd, mostWithin } from "./crowd.ts";
import { Fleet, lateRefusals } from "./fleet.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const EDGES = 3;
const CLIENTS = IS_FULL ? 900 : 90;
const EVERY_MS = IS_FULL ? 5_000 : 1_000;

/** At full size as it is by default: clients leave within 40 % of it. */
const DRAIN_MS = IS_FULL ? 30_000 : 10_000;

/** So long the group may take before clients are told all the same. */
const LEAVE_MS = DRAIN_MS / 10;

/** What a second is where the drain is shorter than by default. */
const SECOND_MS = DRAIN_MS / 30;

/** A process takes a while to end on a busy machine, and its timers to fire. */
const ENDS_MS = DRAIN_MS + 5_000;

/** Of an edge's clients, in any second; and two more: each leaves anywhere in its part of the time. */
const PACE = 0.1;
const PACE_MORE = 2;

let fleet: Fleet;
let balancer: Balancer;
let crowd: Crowd | undefined;

beforeEach(async () => {
  const env = { EDGE_DRAIN_MS: String(DRAIN_MS) };
  const redis = await RedisServer.start();
  fleet = await Fleet.open({ brokers: inject("kafkaBrokers"), edges: EDGES, redis, env });
  balancer = new Balancer(fleet.edges);
}, 120_000);

afterEach(async () => {
  crowd?.close();
  await fleet.close();
});

/** The edges that the group counts on. */
async function membersOf(admin: Parameters<Parameters<typeof withAdmin>[1]>[0]): Promise<string[]> {
  const { groups } = await admin.describeGroups([ownershipGroupOf(fleet.stage.topic)]);
  return groups.flatMap(({ members }) => members.map(({ clientId }) => clientId));
}

/** The edge at that index is replaced by a new process at its address. Answers its `lateRefusals`. */
async function replace(all: Crowd, index: number): Promise<number> {
  const edge: EdgeProcess = fleet.edge(index);
  const before = all.goaways.length;
  const connected = balancer.openAt(edge.ws);
  balancer.remove(edge.ws);
  const late = await lateRefusals(edge);
  const quietMs = all.takeLongestDelay();
  const startMs = performance.now();
  const members = await withAdmin(inject("kafkaBrokers"), async (admin) => {
    expect(await membersOf(admin)).toContain(edge.id);
    const ended = edge.terminate();
    await waitFor(() => all.goaways.length > before, {
      what: "the first goaway",
      timeoutMs: DRAIN_MS,
    });
    const left = await membersOf(admin);
    expect(await ended).toBe(0);
    return left;
  });
  const tookMs = Math.round(performance.now() - startMs);
  expect(tookMs).toBeLessThan(ENDS_MS);
  const told = all.goaways.slice(before);
  // Its partitions are others' before the first client is told to go, unless the group did not let it go in time.
  const waitedMs = Math.min(...told.map(({ atMs }) => atMs)) - startMs;
  if (waitedMs < LEAVE_MS) expect(members).not.toContain(edge.id);
  expect(new Set(told.map(({ place }) => place.ws))).toEqual(new Set([edge.ws]));
  expect(told).toHaveLength(connected);
  const toldPerSecond = mostWithin(
    told.map(({ afterMs }) => afterMs),
    SECOND_MS,
  );
  expect(toldPerSecond).toBeLessThanOrEqual(PACE * connected + PACE_MORE);
  const returnsMs = all.returnsMs.filter((atMs) => atMs >= startMs);
  const returnsPerSecond = mostWithin(returnsMs, SECOND_MS);
  const longestDelayMs = all.takeLongestDelay();
  const pace = { toldPerSecond, returnsPerSecond };
  printMeasured({ edge: edge.id, connected, ...pace, tookMs, quietMs, longestDelayMs });
  await fleet.spawn(index);
  balancer.add(edge.ws);
  return late;
}

// C-063
it("A rolling restart moves every client once, gently, and loses nothing", async () => {
  const tokenFor = (sub: string): Promise<string> => fleet.stage.issuer.token({ sub });
  crowd = await Crowd.gather({
    edges: balancer,
    count: CLIENTS,
    name: "all",
    tokenFor,
    everyMs: EVERY_MS,
  });
  await fleet.whenRelayed();
  const stubborn: RawClient = await fleet.stage.connect(fleet.edge(0), "stubborn");
  let late = 0;
  for (let index = 0; index < EDGES; index++) late += await replace(crowd, index);
  // Who does not go is closed in order.
  expect(stubborn.frames.some(({ t }) => t === "goaway")).toBe(true);
  expect(stubborn.closeCode).toBe(1001);
  await crowd.whenLive();
  const { reconnects, refusals } = crowd;
  const { offences, messages } = await crowd.judge({
    brokers: inject("kafkaBrokers"),
    topic: fleet.stage.topic,
  });
  expect(offences).toEqual([]);
  expect(crowd.roamers.flatMap(({ failures }) => failures)).toEqual([]);
  for (const edge of fleet.edges) late += await lateRefusals(edge);
  expect(refusals.length).toBeLessThanOrEqual(late);
  const [median, most] = [percentile(reconnects, 0.5), percentile(reconnects, 0.99)];
  printMeasured({
    clients: CLIENTS,
    messages,
    refused: refusals.length,
    reconnects: { median, most },
  });
  expect(median).toBe(1);
  expect(most).toBeLessThanOrEqual(2);
}, 300_000);
