import { type EdgeProcess, KafkaCluster, freePort, waitFor } from "@millrace/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from "vitest";
import { EdgeStage } from "../../services/edge/src/testing/edge-stage.ts";
import { metricOf } from "../../services/edge/src/testing/metric-of.ts";
import { Operator } from "../../services/edge/src/testing/operator.ts";
import { SteadyLoad } from "../trouble/steady-load.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const PER_SECOND = IS_FULL ? 500 : 100;
const DRAIN_MS = 8_000;

/** A process takes a while to end on a busy machine, and its timers to fire. */
const ENDS_MS = DRAIN_MS + 5_000;

let kafka: KafkaCluster;
let stage: EdgeStage;
let load: SteadyLoad | undefined;

beforeAll(async () => {
  kafka = await KafkaCluster.start({ brokers: 1 });
}, 90_000);

afterAll(() => kafka.stop());

beforeEach(async () => {
  const env = { EDGE_DRAIN_MS: String(DRAIN_MS) };
  stage = await EdgeStage.open({ brokers: kafka.brokers, redisUrl: inject("redisUrl"), env });
  await stage.makeTopic();
});

afterEach(async () => {
  await load?.stop();
  load = undefined;
  await stage.close();
});

/** What it is like at the time of the signal, and how it gets well. */
interface Trouble {
  begin(): void | Promise<void>;
  end(): void | Promise<void>;
  /** A second signal comes right after the first. */
  readonly isHurried?: boolean;
}

const TROUBLES: Readonly<Record<string, Trouble>> = {
  "with all well": { begin: () => undefined, end: () => undefined },
  "with a broker that hangs": { begin: () => kafka.pause(0), end: () => kafka.resume(0) },
  "with no broker at all": { begin: () => kafka.kill(0), end: () => kafka.restart(0) },
  "with a second signal": { begin: () => undefined, end: () => undefined, isHurried: true },
};

async function startLoad(edges: readonly EdgeProcess[]): Promise<SteadyLoad> {
  load = await SteadyLoad.start({
    edges: edges.map(({ ws }) => ws),
    brokers: kafka.brokers,
    topic: stage.topic,
    tokenFor: (sub) => stage.issuer.token({ sub }),
    conversations: Array.from({ length: 12 }, (_, at) => `room:${at}`),
    senders: 4,
    receivers: 4,
    perSecond: PER_SECOND,
  });
  return load;
}

/** Senders and receivers are on it. */
async function isBusy(edge: EdgeProcess): Promise<boolean> {
  return (await metricOf(edge, "millrace_connections")) >= 2;
}

async function isDraining({ http }: EdgeProcess): Promise<boolean> {
  return (await fetch(`${http}/readyz`)).status === 503;
}

// C-065
it("An edge told to stop finishes its promises and exits in time", async () => {
  const edges = [await stage.spawn("edge-1"), await stage.spawn("edge-2")];
  const steady = await startLoad(edges);
  for (const [name, trouble] of Object.entries(TROUBLES)) {
    const [first] = edges as [EdgeProcess];
    const { port, metricsPort } = first;
    while (!(await isBusy(first))) {
      steady.dropAll();
      await steady.whenPublished(PER_SECOND);
    }
    await trouble.begin();
    const startMs = performance.now();
    const ending = edges[0]?.terminate();
    if (trouble.isHurried === true) {
      // Two that come together are one to the kernel.
      await waitFor(() => isDraining(first), { what: "the drain to begin" });
      first.child.signal("SIGTERM");
    }
    expect([name, await ending]).toEqual([name, 0]);
    const tookMs = Math.round(performance.now() - startMs);
    expect(tookMs).toBeLessThan(ENDS_MS);
    await trouble.end();
    edges[0] = await stage.spawn("edge-1", { port, metricsPort });
    await steady.whenPublished(2 * PER_SECOND);
    process.stdout.write(`SIGTERM ${name}: ended after ${tookMs} ms\n`);
  }
  const { offences, repeatedKeys } = await steady.judge();
  expect(offences).toEqual([]);
  expect(repeatedKeys).toBe(0);
}, 240_000);

it("An operator's call drains an edge as SIGTERM does", async () => {
  const port = await freePort();
  const env = { EDGE_ADMIN: `127.0.0.1:${port}`, EDGE_DRAIN_MS: "2000" };
  const edge = await stage.spawn("edge-1", { env });
  const client = await stage.connect(edge, "alice");
  const operator = await Operator.at(stage, port);
  const answer = await operator.call("PUT", "/v1/drain");
  expect([answer.status, answer.json]).toEqual([202, { drainMs: 2_000 }]);
  expect((await operator.call("PUT", "/v1/drain")).status).toBe(202);
  expect(await client.next(({ t }) => t === "goaway", "its word")).toMatchObject({
    reason: "drain",
  });
  expect((await edge.child.exited).code).toBe(0);
  expect(client.closeCode).toBe(1001);
});
