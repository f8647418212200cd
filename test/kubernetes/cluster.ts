import { fileURLToPath } from "node:url";
import { must } from "@millrace/runtime";
import { RedisServer, waitFor } from "@millrace/testkit";
import {
  ControlPlane,
  CustomMetrics,
  type Pod,
  ProcessKubelet,
  type Told,
} from "@millrace/testkit/kubernetes";
import { expect } from "vitest";
import { EdgeStage } from "../../services/edge/src/testing/edge-stage.ts";
import { metricOf } from "../../services/edge/src/testing/metric-of.ts";
import { printMeasured } from "../../services/edge/src/testing/measured.ts";
import { AUDIENCE, ISSUER } from "../../services/edge/src/testing/test-issuer.ts";
import { Crowd, mostWithin } from "../fleet/crowd.ts";
import { Endpoints, metricsOf } from "./endpoints.ts";
import { tell } from "./machine.ts";
import { type Manifest, textOf, renderOverlay } from "./overlay.ts";
import { trialOf } from "./trial-overlay.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const NAMESPACE = "millrace";
const METRIC = "millrace_connections";
const EVERY_MS = 1_000;
const SECOND_MS = 1_000;
const PATIENCE_MS = 300_000;

/** Everyone leaves in half of it; a machine of two cores moves a crowd of tens in seconds. */
const DRAIN_MS = 10_000;

/** An image is this checkout, and Node 20 needs a loader for what later ones run as it is. */
const EDGE_IMAGE = {
  folder: ROOT,
  command: ["node", "services/edge/src/main.ts"],
  programs: { node: [process.execPath, "--import", "tsx"] },
};

export interface ClusterOptions {
  readonly brokers: readonly string[];
  readonly nodes: readonly string[];
}

interface Parts {
  readonly plane: ControlPlane;
  readonly kubelet: ProcessKubelet;
  readonly redis: RedisServer;
  readonly stage: EdgeStage;
  readonly endpoints: Endpoints;
  readonly metrics: CustomMetrics;
}

/** The edges of the overlay `production` in a Kubernetes of their own, on real Kafka and Redis. */
export class Cluster {
  readonly plane: ControlPlane;
  readonly kubelet: ProcessKubelet;
  readonly endpoints: Endpoints;
  readonly #parts: Parts;
  readonly #brokers: readonly string[];

  private constructor(parts: Parts, brokers: readonly string[]) {
    this.plane = parts.plane;
    this.kubelet = parts.kubelet;
    this.endpoints = parts.endpoints;
    this.#parts = parts;
    this.#brokers = brokers;
  }

  /** Resolves when as many edges are ready as the autoscaler wants at least. */
  static async open({ brokers, nodes }: ClusterOptions): Promise<Cluster> {
    const plane = await ControlPlane.start(tell);
    const { api } = plane;
    const redis = await RedisServer.start();
    const stage = await EdgeStage.open({ brokers, redisUrl: redis.url });
    const images = { "millrace/edge": EDGE_IMAGE };
    const kubelet = await ProcessKubelet.start({ api, nodes, images });
    const metrics = await CustomMetrics.start({ api, metric: METRIC, valueOf: connectionsOf });
    const endpoints = await Endpoints.open(api);
    const cluster = new Cluster({ plane, kubelet, redis, stage, endpoints, metrics }, brokers);
    try {
      await stage.makeTopic();
      await cluster.#deploy();
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const { plane, kubelet, redis, stage, endpoints, metrics } = this.#parts;
    await endpoints.close();
    await kubelet.stop();
    await metrics.stop();
    await plane.stop();
    await stage.close();
    await redis.stop();
  }

  /** In the namespace of the edges; what it says is shown when it does not succeed. */
  async kubectl(...args: readonly string[]): Promise<Told> {
    const told = await this.plane.kubectl(["-n", NAMESPACE, ...args]);
    expect(told).toMatchObject({ code: 0 });
    return told;
  }

  /** The rollout has ended, and newcomers are sent to exactly that many edges. */
  async whenServing(count: number): Promise<void> {
    const { endpoints } = this;
    const areServing = (): boolean =>
      endpoints.pods.length === count &&
      endpoints.ready.length === count &&
      endpoints.served.length === count;
    const what = `${count} edges serve`;
    await waitFor(areServing, { what, timeoutMs: PATIENCE_MS }).catch((error: unknown) => {
      throw new Error(this.#standing(), { cause: error });
    });
  }

  /** Clients that publish and receive all the time. */
  async gather(name: string, count: number): Promise<Crowd> {
    const { stage, endpoints } = this.#parts;
    const tokenFor = (sub: string): Promise<string> => stage.issuer.token({ sub });
    const edges = endpoints.balancer;
    const crowd = await Crowd.gather({ edges, count, name, tokenFor, everyMs: EVERY_MS });
    await crowd.whenHeard(5);
    crowd.takeLongestDelay();
    endpoints.takeLeastReady();
    return crowd;
  }

  /** Nothing was lost, doubled, out of order or refused; answers and prints what it cost. */
  async settle(scenario: string, crowd: Crowd): Promise<Settled> {
    await crowd.whenLive();
    await crowd.whenHeard(2);
    const longestStallMs = crowd.takeLongestDelay();
    const { topic } = this.#parts.stage;
    const { offences, messages } = await crowd.judge({ brokers: this.#brokers, topic });
    expect(offences).toEqual([]);
    expect(crowd.roamers.flatMap(({ failures }) => failures)).toEqual([]);
    const settled = {
      clients: crowd.roamers.length,
      messages,
      longestStallMs,
      reconnects: crowd.returnsMs.length,
      reconnectsPerSecond: mostWithin(crowd.returnsMs, SECOND_MS),
      refusals: crowd.refusals.length,
      leastReady: this.endpoints.takeLeastReady(),
    };
    printMeasured({ scenario, ...settled });
    return settled;
  }

  async #deploy(): Promise<void> {
    const { plane, stage, redis } = this.#parts;
    const environment = {
      EDGE_KAFKA_BROKERS: this.#brokers.join(","),
      EDGE_REDIS_URL: redis.url,
      EDGE_TOPIC: stage.topic,
      EDGE_ISSUER: ISSUER,
      EDGE_JWKS: stage.issuer.jwks,
      EDGE_AUDIENCE: AUDIENCE,
      // One broker keeps one copy, which an edge refuses otherwise.
      EDGE_DEVELOPMENT: "true",
      EDGE_MEMORY_MB: "1024",
    };
    const rendered = await renderOverlay(plane, "production");
    const trial: Manifest[] = trialOf(rendered, { environment, drainMs: DRAIN_MS });
    const apply = ["apply", "--validate=strict", "-f", "-"];
    expect(await plane.kubectl(apply, textOf(trial))).toMatchObject({ code: 0 });
    // The manifests leave the number of edges to the autoscaler.
    const scaler = trial.find(({ kind }) => kind === "HorizontalPodAutoscaler");
    const { minReplicas } = must(scaler, "an autoscaler")["spec"] as { minReplicas: number };
    await this.whenServing(minReplicas);
  }

  /** Open WebSockets, by the page that Prometheus reads. */
  async connectionsOf(pod: Pod): Promise<number> {
    return (await connectionsOf(pod)) ?? 0;
  }

  #standing(): string {
    const pods = this.endpoints.pods.map(({ metadata, status }) => {
      const [container] = status?.containerStatuses ?? [];
      return `${metadata.name}: ${JSON.stringify({ ready: container?.ready, ...container?.state })}`;
    });
    return `the edges did not come to serve:\n${pods.join("\n")}`;
  }
}

export interface Settled {
  readonly longestStallMs: number;
  readonly reconnects: number;
  readonly leastReady: number;
}

/** By the page that Prometheus reads, as its adapter would know it. */
async function connectionsOf(pod: Pod): Promise<number | undefined> {
  if (pod.status?.podIP === undefined) return undefined;
  const count = await metricOf({ metrics: metricsOf(pod) }, METRIC).catch(() => Number.NaN);
  return Number.isNaN(count) ? undefined : count;
}
