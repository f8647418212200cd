import { must } from "@millrace/runtime";
import { type EdgeProcess, type RedisCluster, RedisServer, waitFor } from "@millrace/testkit";
import {
  type Delivery,
  deliveredBy,
  relayedOn,
} from "../../services/edge/src/testing/deliveries.ts";
import { EdgeStage } from "../../services/edge/src/testing/edge-stage.ts";
import { metricOf } from "../../services/edge/src/testing/metric-of.ts";
import { SteadyLoad } from "../trouble/steady-load.ts";

export interface FleetOptions {
  readonly brokers: readonly string[];
  readonly edges: number;
  /** Nobody's but this fleet's; it is stopped with it. */
  readonly redis: RedisServer | RedisCluster;
  /** Relay, when not said. */
  readonly delivery?: Delivery;
  /** Added to every edge's options. */
  readonly env?: Readonly<Record<string, string>>;
  /** The checkout whose code the first ones run; this one, where none is given. */
  readonly folder?: string;
}

const PATIENCE_MS = 90_000;
const CONVERSATIONS = 24;

/** How many an edge turned away because its loop was late: the machine's doing, and none on an idle one. */
export async function lateRefusals(edge: EdgeProcess): Promise<number> {
  const count = await metricOf(edge, 'millrace_limited_total{limit="loopLate"}');
  return Number.isNaN(count) ? 0 : count;
}

/** What one edge of a fleet has other than the rest. */
export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly folder?: string;
}

/** Edges that relay to each other or read the log each for itself, on a topic and a Redis of their own. */
export class Fleet {
  readonly delivery: Delivery;
  readonly stage: EdgeStage;
  readonly edges: EdgeProcess[] = [];
  readonly #options: FleetOptions;
  #load: SteadyLoad | undefined;
  #names = 0;

  private constructor(options: FleetOptions, stage: EdgeStage) {
    this.#options = options;
    this.stage = stage;
    this.delivery = deliveryOf(options);
  }

  static async open(options: FleetOptions): Promise<Fleet> {
    const { brokers, redis } = options;
    const redisUrl = redis instanceof RedisServer ? redis.url : redis.urls;
    const env = { ...deliveredBy(deliveryOf(options)), ...options.env };
    const fleet = new Fleet(options, await EdgeStage.open({ brokers, redisUrl, env }));
    try {
      await fleet.stage.makeTopic();
      const { edges, folder } = options;
      const how = folder === undefined ? {} : { folder };
      for (let index = 0; index < edges; index++) await fleet.spawn(index, how);
    } catch (error) {
      await fleet.close();
      throw error;
    }
    return fleet;
  }

  async close(): Promise<void> {
    await this.endLoad();
    await this.stage.close();
    await this.#options.redis.stop();
  }

  /** That edge, at the address that it had before. */
  async spawn(index: number, { env, folder }: SpawnOptions = {}): Promise<EdgeProcess> {
    const { port, metricsPort } = this.edges[index] ?? {};
    const edge = await this.stage.spawn(`edge-${index + 1}`, {
      ...(port !== undefined && { port }),
      ...(metricsPort !== undefined && { metricsPort }),
      ...(folder !== undefined && { folder }),
      ...(env !== undefined && { env }),
    });
    this.edges[index] = edge;
    return edge;
  }

  edge(index: number): EdgeProcess {
    return must(this.edges[index], `edge ${index}`);
  }

  /** Every edge gets records by the relay alone; with direct delivery nothing is waited for. */
  async whenRelayed(): Promise<void> {
    if (this.delivery === "direct") return;
    const areRelayed = async (): Promise<boolean> =>
      (await Promise.all(this.edges.map((edge) => relayedOn(edge)))).every((count) => count > 0);
    await waitFor(areRelayed, { what: "every edge is relayed to", timeoutMs: PATIENCE_MS });
  }

  /** Chat in conversations that nobody had before, over the first edges or all of them. */
  async load(options: {
    readonly perSecond: number;
    readonly edges?: number;
  }): Promise<SteadyLoad> {
    const conversations = Array.from({ length: CONVERSATIONS }, () => `room:${this.#names++}`);
    this.#load = await SteadyLoad.start({
      edges: this.edges.slice(0, options.edges).map(({ ws }) => ws),
      brokers: this.#options.brokers,
      topic: this.stage.topic,
      tokenFor: (sub) => this.stage.issuer.token({ sub }),
      conversations,
      senders: 3,
      receivers: 6,
      perSecond: options.perSecond,
    });
    return this.#load;
  }

  async endLoad(): Promise<void> {
    await this.#load?.stop();
    this.#load = undefined;
  }
}

function deliveryOf({ delivery = "relay" }: FleetOptions): Delivery {
  return delivery;
}
