import { redisCommand } from "./redis-command.ts";
import { RedisServer } from "./redis-server.ts";
import { waitFor } from "./wait-for.ts";

const NODES = 3;
const SLOTS = 16_384;

/** Without replicas: a node that is lost takes its slots with it, and the others go on. */
const SETTINGS = Object.entries({
  "--cluster-enabled": "yes",
  "--cluster-node-timeout": "2000",
  "--cluster-require-full-coverage": "no",
}).flat();

/** A real Redis Cluster of three nodes, each with a third of the slots. */
export class RedisCluster {
  readonly nodes: readonly RedisServer[];

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  static async start(settings: readonly string[] = []): Promise<RedisCluster> {
    const nodes: RedisServer[] = [];
    // One after the other, so that none is given a port that another is about to take.
    while (nodes.length < NODES) nodes.push(await RedisServer.start([...SETTINGS, ...settings]));
    const cluster = new RedisCluster(nodes);
    try {
      await cluster.#join();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** The addresses of all nodes. */
  get urls(): string {
    return this.nodes.map(({ url }) => url).join(",");
  }

  /** A command for each of the nodes; their answers. */
  onAll(...words: readonly string[]): Promise<string[]> {
    return Promise.all(this.nodes.map(({ port }) => redisCommand(port, ...words)));
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  async #join(): Promise<void> {
    const [first] = this.nodes;
    for (const [index, { port }] of this.nodes.entries()) {
      const [from, to] = [index, index + 1].map((part) => Math.floor((part * SLOTS) / NODES));
      await redisCommand(port, "CLUSTER", "ADDSLOTSRANGE", String(from), String((to ?? 0) - 1));
      await redisCommand(port, "CLUSTER", "MEET", "127.0.0.1", String(first?.port));
    }
    const know = async (): Promise<boolean> => {
      const states = await this.onAll("CLUSTER", "INFO");
      return states.every(
        (state) =>
          state.includes("cluster_state:ok") &&
          state.includes(`cluster_slots_ok:${SLOTS}`) &&
          state.includes(`cluster_known_nodes:${NODES}`),
      );
    };
    await waitFor(know, { what: "all nodes know of each other and of all slots" });
  }
}
