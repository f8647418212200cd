import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type EdgeProcess, KafkaCluster, RedisServer, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { printMeasured } from "../../services/edge/src/testing/measured.ts";
import { RawClient } from "../../services/edge/src/testing/raw-client.ts";
import { Crowd } from "../fleet/crowd.ts";
import { Fleet } from "../fleet/fleet.ts";
import { Probe } from "./probe.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const CLIENTS = IS_FULL ? 500 : 60;
const EVERY_MS = IS_FULL ? 10_000 : 2_000;

/** A kubelet's defaults, which are stricter than what our Deployment asks for. */
const PERIOD_S = 10;
const TIMEOUT_S = 1;
const FAILURES_MAX = 3;

/**
 * So much shorter are a period and what is longer than three of them. The time-out stays what it is,
 * since a busy machine does not get faster, and so does the short block: it spans at most two probes
 * of either period, as on the full scale it spans one.
 */
const SCALE = IS_FULL ? 1 : 3;
const PERIOD_MS = (PERIOD_S * 1_000) / SCALE;
const OUTAGE_MS = IS_FULL ? 180_000 : 25_000;
const SHORT_BLOCK_MS = 5_000;
const LONG_BLOCK_MS = 60_000 / SCALE;

const PATIENCE_MS = 120_000;
const TEST_MS = IS_FULL ? 1_800_000 : 600_000;

const MANIFEST = new URL("../../k8s/base/edge/deployment.yaml", import.meta.url);

let kafka: KafkaCluster;
let redis: RedisServer;
let fleet: Fleet;
let crowd: Crowd;
const probes: Probe[] = [];

async function open(): Promise<void> {
  kafka = await KafkaCluster.start({ brokers: 1 });
  redis = await RedisServer.start();
  fleet = await Fleet.open({ brokers: kafka.brokers, edges: 2, redis });
  crowd = await Crowd.gather({
    edges: fleet.edges.map(({ ws }) => ws),
    count: CLIENTS,
    name: "blinking",
    tokenFor: (sub) => fleet.stage.issuer.token({ sub }),
    everyMs: EVERY_MS,
    // Longer than any outage: what was said in one is to be in the log after it.
    publishTimeoutMs: 2 * OUTAGE_MS + PATIENCE_MS,
  });
}

async function close(): Promise<void> {
  crowd.close();
  await Promise.all(probes.splice(0).map((one) => one.stop()));
  await fleet.close();
  await kafka.stop();
}

/** What is away for a while, and how. */
interface Trouble {
  readonly name: string;
  readonly begin: () => void | Promise<void>;
  readonly end: () => void | Promise<void>;
  /** Newcomers could do nothing: they are told when to come again. */
  readonly refusesNewcomers: boolean;
}

const TROUBLES: readonly Trouble[] = [
  {
    name: "Redis hangs",
    begin: () => redis.pause(),
    end: () => redis.resume(),
    refusesNewcomers: false,
  },
  {
    name: "Redis is killed",
    begin: () => redis.kill(),
    end: () => redis.restart(),
    refusesNewcomers: false,
  },
  {
    name: "Kafka hangs",
    begin: () => kafka.pause(0),
    end: () => kafka.resume(0),
    refusesNewcomers: true,
  },
  {
    name: "Kafka is killed",
    begin: () => kafka.kill(0),
    end: () => kafka.restart(0),
    refusesNewcomers: true,
  },
];

function probe(edge: EdgeProcess, path: "/healthz" | "/readyz"): Probe {
  const rule = { periodMs: PERIOD_MS, timeoutMs: TIMEOUT_S * 1_000, failuresMax: FAILURES_MAX };
  const started = new Probe({ url: `${edge.http}${path}`, ...rule });
  probes.push(started);
  return started;
}

/** Who comes now is let in, or told when to try again. */
async function newcomer(edge: EdgeProcess): Promise<"in" | "sent away"> {
  const token = await fleet.stage.issuer.token({ sub: "newcomer" });
  const client = await RawClient.attempt({ url: edge.ws, token });
  client.terminate();
  if (client.frames[0]?.t === "welcome") return "in";
  expect(client.refusal).toBe(503);
  expect(client.retryAfterS).toBeGreaterThanOrEqual(1);
  return "sent away";
}

async function whenNewcomers(outcome: "in" | "sent away"): Promise<void> {
  for (const edge of fleet.edges) {
    const isSo = async (): Promise<boolean> => (await newcomer(edge)) === outcome;
    await waitFor(isSo, { what: `newcomers are ${outcome}`, timeoutMs: PATIENCE_MS });
  }
}

function expectNobodyMoved(): void {
  expect(crowd.reconnects.filter((count) => count > 0)).toEqual([]);
  for (const { child } of fleet.edges) expect(child.hasExited).toBe(false);
}

async function endure({ name, begin, end, refusesNewcomers }: Trouble): Promise<void> {
  const watched = fleet.edges.flatMap((edge) => [probe(edge, "/healthz"), probe(edge, "/readyz")]);
  const startMs = performance.now();
  await begin();
  try {
    await whenNewcomers(refusesNewcomers ? "sent away" : "in");
    const restMs = OUTAGE_MS - (performance.now() - startMs);
    // The outage is the subject: it lasts beyond what would be the verdict.
    await sleep(Math.max(0, restMs));
    for (const edge of fleet.edges) await newcomer(edge);
  } finally {
    await end();
  }
  const endMs = performance.now();
  await whenNewcomers("in");
  await crowd.whenSettled();
  const wellAfterMs = Math.round(performance.now() - endMs);
  await Promise.all(watched.map((one) => one.stop()));
  expectNobodyMoved();
  for (const one of watched) {
    expect(one.asked * PERIOD_MS).toBeGreaterThan(PERIOD_MS * FAILURES_MAX);
    expect({ name, hasFailed: one.hasFailed }).toEqual({ name, hasFailed: false });
  }
  const longestRow = Math.max(...watched.map((one) => one.longestRow));
  printMeasured({ name, failedInARow: longestRow, wellAfterMs });
}

/** A probe of the process alone, whose first answer has come. */
async function livenessOf(edge: EdgeProcess): Promise<Probe> {
  const liveness = probe(edge, "/healthz");
  await waitFor(() => liveness.asked > 0, { what: "a first probe" });
  return liveness;
}

describe("with probes as Kubernetes has them", () => {
  beforeEach(open, TEST_MS);
  afterEach(close);

  // C-064
  it(
    "A dependency that blinks restarts no pod",
    async () => {
      const edge = fleet.edge(0);
      for (const trouble of TROUBLES) await endure(trouble);

      // The process is stopped: from outside nothing else than a loop that does not turn.
      const short = await livenessOf(edge);
      edge.pause();
      await sleep(SHORT_BLOCK_MS);
      edge.resume();
      await crowd.whenSettled();
      await short.stop();
      expectNobodyMoved();
      expect(short.hasFailed).toBe(false);

      const long = await livenessOf(edge);
      edge.pause();
      await waitFor(() => long.hasFailed, {
        what: "a verdict on the edge",
        timeoutMs: LONG_BLOCK_MS,
      });
      printMeasured({ shortBlockFailed: short.longestRow, longBlockFailed: long.longestRow });
      // As a kubelet does.
      await edge.kill();
      await fleet.spawn(0);
      await crowd.whenLive();
      await crowd.whenSettled();
      const { offences } = await crowd.judge({
        brokers: kafka.brokers,
        topic: fleet.stage.topic,
      });
      expect(crowd.roamers.flatMap(({ failures }) => failures)).toEqual([]);
      expect(offences).toEqual([]);
      expect(crowd.roamers.every(({ acknowledged }) => acknowledged.length > 0)).toBe(true);
    },
    TEST_MS,
  );
});

interface Container {
  readonly livenessProbe?: {
    readonly httpGet?: { readonly path?: string };
    readonly periodSeconds?: number;
    readonly timeoutSeconds?: number;
    readonly failureThreshold?: number;
  };
}

/** The first container of the edge's Deployment. */
function edgeContainer(): Container {
  const [deployment] = parseAllDocuments(readFileSync(MANIFEST, "utf8")).map(
    (document) => document.toJS() as { spec: { template: { spec: { containers: Container[] } } } },
  );
  return deployment?.spec.template.spec.containers[0] ?? {};
}

it.skipIf(!existsSync(MANIFEST))(
  "The Deployment's probe is no stricter than the one proven",
  () => {
    const { livenessProbe } = edgeContainer();
    expect(livenessProbe?.httpGet?.path).toBe("/healthz");
    expect(livenessProbe?.periodSeconds ?? PERIOD_S).toBeGreaterThanOrEqual(PERIOD_S);
    expect(livenessProbe?.timeoutSeconds ?? TIMEOUT_S).toBeGreaterThanOrEqual(TIMEOUT_S);
    expect(livenessProbe?.failureThreshold ?? FAILURES_MAX).toBeGreaterThanOrEqual(FAILURES_MAX);
  },
);
