import { randomUUID } from "node:crypto";
import { type Ownership, createOwnershipGroup } from "@millrace/log";
import { must, silentLogger, systemClock } from "@millrace/runtime";
import { ownershipGroupOf } from "@millrace/schemas";
import { makeTopic, waitFor } from "@millrace/testkit";
import { metricOf } from "../../../services/edge/src/testing/metric-of.ts";
import type { Delivery } from "../../../services/edge/src/config.ts";
import type { BenchStage, Served } from "../stage/bench-stage.ts";

export interface FleetWish {
  /** How each edge gets its records, by the edge's name, in the order in which they start. */
  readonly edges: Readonly<Record<string, Delivery>>;
  readonly partitions: number;
  /** The edge that owns every partition; without it the group decides. */
  readonly owner?: string;
  readonly env: Readonly<Record<string, string>>;
}

const PATIENCE_MS = 60_000;
const DIRECT = 'millrace_delivery_mode{mode="direct"}';

/** Several edges on one topic, each measured by its name. */
export class BenchFleet {
  readonly topic: string;
  readonly #stage: BenchStage;
  readonly #wish: FleetWish;
  readonly #edges = new Map<string, Served>();
  #pins: Ownership | undefined;

  private constructor(stage: BenchStage, wish: FleetWish) {
    this.#stage = stage;
    this.#wish = wish;
    this.topic = `bench-${randomUUID()}`;
  }

  static async open(stage: BenchStage, wish: FleetWish): Promise<BenchFleet> {
    const fleet = new BenchFleet(stage, wish);
    try {
      await fleet.#start();
    } catch (error) {
      await fleet.close();
      throw error;
    }
    return fleet;
  }

  edge(name: string): Served {
    return must(this.#edges.get(name), `the edge ${name}`);
  }

  /** Each partition is read by one of the edges that relay, and by no other of them. */
  async whenRelayed(): Promise<void> {
    await waitFor(async () => (await this.strayReads()) === 0, {
      what: "each partition is read by its owner alone",
      timeoutMs: PATIENCE_MS,
    });
  }

  /** How many partitions edges read that might have been relayed to them. */
  async strayReads(): Promise<number> {
    const { edges, partitions } = this.#wish;
    const relaying = Object.keys(edges).filter((name) => edges[name] === "relay");
    if (relaying.length === 0) return 0;
    const reads = await Promise.all(relaying.map((name) => metricOf(this.edge(name), DIRECT)));
    return Math.abs(reads.reduce((sum, count) => sum + count, 0) - partitions);
  }

  async close(): Promise<void> {
    for (const [name, edge] of this.#edges) {
      await edge.kill();
      this.#stage.meter.forget(`edge:${name}`);
    }
    await this.#pins?.leave();
  }

  async #start(): Promise<void> {
    const { edges, partitions, owner } = this.#wish;
    const { brokers, meter } = this.#stage;
    await makeTopic(brokers, { topic: this.topic, numPartitions: partitions });
    if (owner !== undefined) await this.#pinAllTo(owner);
    const [first = "", ...others] = Object.keys(edges);
    // It makes what is missing, and is the owner where there is one.
    await this.#startEdge(first);
    await Promise.all(others.map((name) => this.#startEdge(name)));
    for (const [name, { pid }] of this.#edges) meter.watch(`edge:${name}`, [pid]);
    // Where there are several, each has a name.
    meter.forget("edge");
  }

  async #startEdge(name: string): Promise<void> {
    const { edges, env } = this.#wish;
    const delivery = must(edges[name], `the edge ${name}`);
    const place = { EDGE_ID: name, EDGE_TOPIC: this.topic, EDGE_DELIVERY: delivery };
    this.#edges.set(name, await this.#stage.edge({ ...place, ...env }));
  }

  /**
   * The member that came first distributes, and its pins count: so one that takes nothing itself
   * comes before all edges.
   */
  async #pinAllTo(owner: string): Promise<void> {
    const { partitions } = this.#wish;
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    const pins = new Map(all.map((partition) => [partition, owner] as const));
    const self = { edge: "pins", address: "", weight: 0, isDraining: false };
    const member = createOwnershipGroup({
      brokers: this.#stage.brokers,
      topic: this.topic,
      groupId: ownershipGroupOf(this.topic),
      partitions: () => partitions,
      pins: () => pins,
      self: () => self,
      clock: systemClock,
      logger: silentLogger,
    });
    this.#pins = member;
    member.join();
    // As long as it is alone it has them all.
    const isFirst = (): boolean => member.owned.size === partitions;
    await waitFor(isFirst, { what: "the pins are known to the group", timeoutMs: PATIENCE_MS });
  }
}
