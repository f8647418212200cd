import { type EdgeProcess, RedisServer, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { metricOf } from "../../services/edge/src/testing/metric-of.ts";
import { printMeasured } from "../../services/edge/src/testing/measured.ts";
import { LIMITS } from "../../services/edge/src/limits.ts";
import { planMemory } from "../../services/edge/src/vitals/memory-plan.ts";
import { systemProbe } from "../../services/edge/src/vitals/process-probe.ts";
import { Balancer } from "./balancer.ts";
import { Crowd, mostWithin } from "./crowd.ts";
import { Fleet, lateRefusals } from "./fleet.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const EDGES = 2;
const CLIENTS = EDGES * (IS_FULL ? 300 : 30);
const EVERY_MS = IS_FULL ? 5_000 : 1_000;

/** Each connection's own lies within a tenth of it, either way. */
const AGE_MS = IS_FULL ? 120_000 : 12_000;
const DITHER_MS = 0.2 * AGE_MS;

/** So many ages after the newcomer came all must have spread; a busy machine is given more. */
const AGES = 2.5;
const PATIENCE_MS = 4 * AGES * AGE_MS;

/** Of the mean; and a whole client, where there are few. */
const SHARE = 0.2;

/** Room on an edge that has little memory, and those who come to it. */
const ROOM = 150;
const NEWCOMERS = 200;
const MIB = 1_048_576;

let fleet: Fleet;
let balancer: Balancer;
const crowds: Crowd[] = [];

beforeEach(async () => {
  const env = { EDGE_CONNECTION_AGE_MS: String(AGE_MS) };
  const redis = await RedisServer.start();
  fleet = await Fleet.open({ brokers: inject("kafkaBrokers"), edges: EDGES, redis, env });
  balancer = new Balancer(fleet.edges);
}, 120_000);

afterEach(async () => {
  for (const crowd of crowds.splice(0)) crowd.close();
  await fleet.close();
});

function tokenFor(sub: string): Promise<string> {
  return fleet.stage.issuer.token({ sub });
}

async function gather(options: {
  readonly name: string;
  readonly count: number;
  readonly edges: Balancer | readonly string[];
}): Promise<Crowd> {
  const crowd = await Crowd.gather({ ...options, tokenFor, everyMs: EVERY_MS });
  crowds.push(crowd);
  return crowd;
}

/** The memory that is planned for so many clients and hardly more. */
function memoryFor(connections: number): { readonly memoryMb: number; readonly room: number } {
  const { sendBufferBytes } = systemProbe;
  for (let memoryMb = 700; ; memoryMb++) {
    const budget = { budgetBytes: memoryMb * MIB, sendBufferBytes };
    try {
      const { connections: room } = planMemory(LIMITS, budget);
      if (room >= connections) return { memoryMb, room };
    } catch {
      // Too little for any edge.
    }
  }
}

function connectionsOf(edge: EdgeProcess): Promise<number> {
  return metricOf(edge, "millrace_connections");
}

/** How many each edge has, by its own count. */
function spread(): Promise<number[]> {
  return Promise.all(fleet.edges.map(connectionsOf));
}

function isEven(counts: readonly number[]): boolean {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.every((count) => Math.abs(count - mean) <= Math.max(1, SHARE * mean));
}

/** What everybody has said and heard. */
async function expectNothingLost(crowd: Crowd): Promise<number> {
  const { topic } = fleet.stage;
  const { offences, messages } = await crowd.judge({ brokers: inject("kafkaBrokers"), topic });
  expect(offences).toEqual([]);
  expect(crowd.roamers.flatMap(({ failures }) => failures)).toEqual([]);
  return messages;
}

// C-068
it("Clients spread to new edges and full edges turn newcomers away politely", async () => {
  const settled = await gather({ name: "settled", count: CLIENTS, edges: balancer });
  const areEven = async (): Promise<boolean> => isEven(await spread());
  await waitFor(areEven, { what: "two share the clients", timeoutMs: PATIENCE_MS });
  const third = await fleet.spawn(EDGES);
  balancer.add(third.ws);
  const startMs = performance.now();
  await waitFor(areEven, { what: "every edge has its share", timeoutMs: PATIENCE_MS });
  const evenMs = Math.round(performance.now() - startMs);
  // Nobody was closed for it, and those who had come together did not leave together.
  const told = settled.goaways.map(({ atMs }) => atMs);
  const together = mostWithin(told.slice(0, CLIENTS), DITHER_MS / 4);
  expect(settled.goaways.length).toBeGreaterThanOrEqual(Math.floor((1 - SHARE) * (CLIENTS / 3)));
  // A quarter of them, by chance; more, where a busy machine hears of them late.
  expect(together).toBeLessThan(0.9 * CLIENTS);
  const late = await Promise.all(fleet.edges.map(lateRefusals));
  expect(settled.refusals.length).toBeLessThanOrEqual(late.reduce((sum, count) => sum + count));
  printMeasured({ clients: CLIENTS, counts: await spread(), evenMs, told: told.length, together });

  balancer.remove(third.ws);
  expect(await third.terminate()).toBe(0);
  const { memoryMb, room } = memoryFor(ROOM);
  const env = { EDGE_MEMORY_MB: String(memoryMb), EDGE_CONNECTION_AGE_MS: "0" };
  const small = await fleet.spawn(EDGES, { env });
  const edges = [small, fleet.edge(0), fleet.edge(1)].map(({ ws }) => ws);
  const newcomers = await gather({ name: "newcomers", count: NEWCOMERS, edges });
  const { refusals } = newcomers;
  expect(refusals.length).toBeGreaterThanOrEqual(NEWCOMERS - room);
  expect(new Set(refusals.map(({ status }) => status))).toEqual(new Set([503]));
  expect(refusals.every(({ retryAfterS }) => retryAfterS >= 1 && retryAfterS <= 4)).toBe(true);
  const [, , onSmall = 0] = await spread();
  expect(onSmall).toBeLessThanOrEqual(room);
  expect(await metricOf(small, 'millrace_limited_total{limit="connections"}')).toBeGreaterThan(0);
  const messages = (await expectNothingLost(settled)) + (await expectNothingLost(newcomers));
  printMeasured({ room, newcomers: NEWCOMERS, onSmall, refusals: refusals.length, messages });
}, 600_000);
