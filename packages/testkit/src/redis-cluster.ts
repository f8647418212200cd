import { redisCommand } from "./redis-command.ts";
import { RedisServer } from "./redis-server.ts";
import { waitFor } from "./wait-for.ts";

const MASTERS = 3;
const SLOTS = 16_384;
const NODE_ID = /[0-9a-f]{40}/;

const SETTINGS = Object.entries({
  "--cluster-enabled": "yes",
  "--cluster-node-timeout": "2000",
  "--cluster-require-full-coverage": "no",
}).flat();

export interface RedisClusterOptions {
  /** As `RedisServer.start` takes them. */
  readonly settings?: readonly string[];
  /** Without replicas a node that is lost takes its slots with it, and the others go on. */
  readonly hasReplicas?: boolean;
}

/** A real Redis Cluster: three masters, each with a third of the slots, and a replica of each. */
export class RedisCluster {
  /** The masters at the start. */
  readonly nodes: readonly RedisServer[];
  /** In the order of their masters; none without replicas. */
  readonly replicas: readonly RedisServer[];

  private constructor(nodes: readonly RedisServer[], replicas: readonly RedisServer[]) {
    this.nodes = nodes;
    this.replicas = replicas;
  }

  static async start(options: RedisClusterOptions = {}): Promise<RedisCluster> {
    const { settings = [], hasReplicas = false } = options;
    const servers: RedisServer[] = [];
    // One after the other, so that none is given a port that another is about to take.
    while (servers.length < (hasReplicas ? 2 * MASTERS : MASTERS)) {
      servers.push(await RedisServer.start([...SETTINGS, ...settings]));
    }
    const cluster = new RedisCluster(servers.slice(0, MASTERS), servers.slice(MASTERS));
    try {
      await cluster.#join();
      await cluster.#replicate();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** The addresses of all nodes. */
  get urls(): string {
    return this.#all.map(({ url }) => url).join(",");
  }

  /** A command for each of the nodes; their answers. */
  onAll(...words: readonly string[]): Promise<string[]> {
    return Promise.all(this.#all.map(({ port }) => redisCommand(port, ...words)));
  }

  /** The slot that keys and sharded channels of that name belong to. */
  async slotOf(name: string): Promise<number> {
    const answer = await redisCommand(this.#first.port, "CLUSTER", "KEYSLOT", name);
    return Number(answer.slice(1));
  }

  /** The slot, which has no keys, to another of the masters; where it came from is found out. */
  async moveSlot(slot: number): Promise<void> {
    const ids = await Promise.all(this.nodes.map(idOf));
    const [first = ""] = ids;
    const slots = await redisCommand(this.#first.port, "CLUSTER", "NODES");
    const isOfFirst = slots
      .split("\n")
      .some((line) => line.startsWith(first) && hasSlot(line, slot));
    const target = ids[isOfFirst ? 1 : 0] ?? "";
    // First whoever gets it, so that there is no moment in which nobody has it.
    const order = isOfFirst ? [1, 0, 2] : [0, 1, 2];
    for (const index of order) {
      const port = this.nodes[index]?.port ?? 0;
      await redisCommand(port, "CLUSTER", "SETSLOT", String(slot), "NODE", target);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all.map((node) => node.stop()));
  }

  get #all(): readonly RedisServer[] {
    return [...this.nodes, ...this.replicas];
  }

  get #first(): RedisServer {
    const [first] = this.nodes;
    if (first === undefined) throw new Error("a cluster without nodes");
    return first;
  }

  async #join(): Promise<void> {
    for (const [index, { port }] of this.nodes.entries()) {
      const [from, to] = [index, index + 1].map((part) => Math.floor((part * SLOTS) / MASTERS));
      await redisCommand(port, "CLUSTER", "ADDSLOTSRANGE", String(from), String((to ?? 0) - 1));
    }
    for (const { port } of this.#all) {
      await redisCommand(port, "CLUSTER", "MEET", "127.0.0.1", String(this.#first.port));
    }
    const know = async (): Promise<boolean> => {
      const states = await this.onAll("CLUSTER", "INFO");
      return states.every(
        (state) =>
          state.includes("cluster_state:ok") &&
          state.includes(`cluster_slots_ok:${SLOTS}`) &&
          state.includes(`cluster_known_nodes:${this.#all.length}`),
      );
    };
    await waitFor(know, { what: "all nodes know of each other and of all slots" });
  }

  async #replicate(): Promise<void> {
    for (const [index, { port }] of this.replicas.entries()) {
      const master = this.nodes[index];
      if (master === undefined) continue;
      await redisCommand(port, "CLUSTER", "REPLICATE", await idOf(master));
    }
    const areUp = async (): Promise<boolean> => {
      const states = this.replicas.map(({ port }) => redisCommand(port, "INFO", "replication"));
      return (await Promise.all(states)).every((state) => state.includes("master_link_status:up"));
    };
    await waitFor(areUp, { what: "every replica follows its master" });
  }
}

async function idOf({ port }: RedisServer): Promise<string> {
  return NODE_ID.exec(await redisCommand(port, "CLUSTER", "MYID"))?.[0] ?? "";
}

/** Whether the slot is among those of a line of `CLUSTER NODES`. */
function hasSlot(line: string, slot: number): boolean {
  return line
    .trimEnd()
    .split(" ")
    .slice(8)
    .some((range) => {
      const [from, to = from] = range.split("-").map(Number);
      return from !== undefined && to !== undefined && from <= slot && slot <= to;
    });
}
