import { RedisServer, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { printMeasured } from "../../services/edge/src/testing/measured.ts";
import { Balancer } from "./balancer.ts";
import { Crowd } from "./crowd.ts";
import { Fleet } from "./fleet.ts";
import { IdleCrowd } from "./idle-crowd.ts";

/** Thousands of sockets take minutes: a test of full size only. */
const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const EDGES = 3;
const IDLE = EDGES * 2_000;
const TALKING = 60;
const EVERY_MS = 1_000;
const USERS = 400;

/** Two cores that also have the clients can't take the twice as many of the default. */
const DRAIN_MS = 60_000;

/** The share of the drain within which clients leave: docs/operations.md. */
const SPREAD_SHARE = 0.4;

let fleet: Fleet;
let balancer: Balancer;
let talking: Crowd | undefined;
let idle: IdleCrowd | undefined;

beforeEach(async () => {
  if (!IS_FULL) return;
  const env = { EDGE_DRAIN_MS: String(DRAIN_MS), EDGE_MEMORY_MB: "3072" };
  const redis = await RedisServer.start();
  fleet = await Fleet.open({ brokers: inject("kafkaBrokers"), edges: EDGES, redis, env });
  balancer = new Balancer();
}, 120_000);

afterEach(async () => {
  if (!IS_FULL) return;
  talking?.close();
  await idle?.end();
  await fleet.close();
});

it.skipIf(!IS_FULL)(
  "A rolling restart of thousands keeps to the configured reconnects per second",
  async () => {
    const edges = fleet.edges.map(({ ws }) => ws);
    const tokenFor = (sub: string): Promise<string> => fleet.stage.issuer.token({ sub });
    const users = Array.from({ length: USERS }, (_, index) => tokenFor(`idle-${index}`));
    idle = await IdleCrowd.gather({ edges, count: IDLE, tokens: await Promise.all(users) });
    for (const edge of edges) balancer.add(edge);
    const who = { edges: balancer, count: TALKING, name: "talking" };
    talking = await Crowd.gather({ ...who, tokenFor, everyMs: EVERY_MS });
    await fleet.whenRelayed();
    await talking.whenHeard(10);
    printMeasured({ idle: IDLE, longestDelayMs: talking.takeLongestDelay() });
    await idle.report();
    for (let index = 0; index < EDGES; index++) {
      const edge = fleet.edge(index);
      await idle.remove(edge.ws);
      const clients = balancer.openAt(edge.ws);
      balancer.remove(edge.ws);
      const startMs = performance.now();
      expect(await edge.terminate()).toBe(0);
      const tookMs = Math.round(performance.now() - startMs);
      const { told, toldPerSecond, ...rest } = await idle.report();
      const perSecond = Math.round((1_000 * (told + clients)) / (SPREAD_SHARE * DRAIN_MS));
      const longestDelayMs = talking.takeLongestDelay();
      printMeasured({ told, perSecond, toldPerSecond, ...rest, longestDelayMs, tookMs });
      // Each leaves anywhere in its part of the time: two more at most fall into a second.
      expect(toldPerSecond).toBeLessThanOrEqual(perSecond + 2);
      await fleet.spawn(index);
      await idle.add(edge.ws);
      balancer.add(edge.ws);
    }
    await talking.whenLive();
    const areLive = async (): Promise<boolean> => (await idle?.report())?.live === IDLE;
    await waitFor(areLive, { what: "everybody is live again", timeoutMs: 120_000 });
    const { topic } = fleet.stage;
    const { offences, messages } = await talking.judge({ brokers: inject("kafkaBrokers"), topic });
    expect(offences).toEqual([]);
    const refused = talking.refusals.length;
    printMeasured({ messages, refused, ...(await idle.report()).reconnects });
  },
  1_200_000,
);
