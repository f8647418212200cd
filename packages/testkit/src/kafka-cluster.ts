import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import type { Child } from "./child.ts";
import { freePort } from "./free-port.ts";
import {
  type KafkaProcessOptions,
  newClusterId,
  startKafkaProcess,
  whenKafkaAnswers,
} from "./kafka-process.ts";
import {
  type SecuredOptions,
  type SecuredPorts,
  type SecuredProtocol,
  securedSettings,
} from "./kafka-secured.ts";
import { FIRST_SEGMENT, cutLog } from "./log-segment.ts";
import { cacheFolder } from "./cache-folder.ts";
import { TcpProxy } from "./tcp-proxy.ts";
import { placesBy } from "./topic-replicas.ts";
import { waitFor } from "./wait-for.ts";

export interface KafkaClusterOptions {
  readonly brokers: 1 | 3;
  /** Clients reach each broker only through its proxy. */
  readonly proxied?: boolean;
  readonly settings?: Readonly<Record<string, string>>;
  /** Of one broker, counted from 0. */
  readonly settingsOf?: (index: number) => Readonly<Record<string, string>>;
  /** Besides the open listener each broker has others, where only what an ACL allows is allowed. */
  readonly secured?: SecuredOptions;
}

/** Whoever stands first among a partition's replicas leads it within about a second. */
const PREFERRED_LEADERS = {
  "leader.imbalance.check.interval.seconds": "1",
  "leader.imbalance.per.broker.percentage": "0",
};

const STARTS_MAX = 3;
const MOVE_TIMEOUT_MS = 60_000;

interface Node {
  options: KafkaProcessOptions;
  child: Child | undefined;
  proxy: TcpProxy | undefined;
  readonly securedPorts: SecuredPorts | undefined;
}

/** Real brokers of a test's own, which it may kill, freeze, restart and cut off. */
export class KafkaCluster {
  readonly #nodes: Node[];
  readonly #folder: string;

  private constructor(nodes: Node[], folder: string) {
    this.#nodes = nodes;
    this.#folder = folder;
  }

  /** Somebody else may take a port between the look at it and its use: then it begins anew. */
  static async start(options: KafkaClusterOptions): Promise<KafkaCluster> {
    for (let left = STARTS_MAX; ; left--) {
      const folder = mkdtempSync(join(tmpdir(), "millrace-kafka-"));
      const nodes = await layOut(folder, options);
      const cluster = new KafkaCluster(nodes, folder);
      try {
        await Promise.all(nodes.map((_, index) => cluster.startBroker(index)));
        await Promise.all(nodes.map((node) => whenAnswers(node)));
        await cluster.#whenAllAreIn();
        return cluster;
      } catch (cause) {
        await cluster.stop();
        if (left === 1) throw cause;
      }
    }
  }

  /** Addresses for clients; they lead through the proxies where there are some. */
  get brokers(): string[] {
    return this.#nodes.map(({ options, proxy }) => `127.0.0.1:${proxy?.port ?? options.port}`);
  }

  /** Addresses that pass no proxy. */
  get directBrokers(): string[] {
    return this.#nodes.map(({ options }) => `127.0.0.1:${options.port}`);
  }

  /** Addresses of the listeners that ask who one is. */
  securedBrokers(protocol: SecuredProtocol): string[] {
    return this.#nodes.flatMap(({ securedPorts }) =>
      securedPorts === undefined ? [] : [`127.0.0.1:${securedPorts[protocol]}`],
    );
  }

  /** Node ids count from 1: broker `index` is node `index + 1`. */
  proxy(index: number): TcpProxy {
    const proxy = this.#node(index).proxy;
    if (proxy === undefined) throw new Error("the cluster was started without proxies");
    return proxy;
  }

  async startBroker(index: number): Promise<void> {
    const node = this.#node(index);
    node.child = await startKafkaProcess(node.options);
  }

  /** kill -9. */
  async kill(index: number): Promise<void> {
    const { child } = this.#node(index);
    child?.signal("SIGKILL");
    await child?.exited;
  }

  /** SIGTERM: it gives its partitions away before it ends, and nobody waits for it. */
  async terminate(index: number): Promise<void> {
    const { child } = this.#node(index);
    child?.signal("SIGTERM");
    await child?.exited;
  }

  /** Of a broker that was killed: its log goes no further than `end` when it comes back. */
  loseTail(
    index: number,
    place: { readonly topic: string; readonly partition: number },
    end: bigint,
  ) {
    const { topic, partition } = place;
    const { dataFolder } = this.#node(index).options;
    cutLog(join(dataFolder, "log", `${topic}-${partition}`, FIRST_SEGMENT), end);
  }

  /** Also when it ended by itself. */
  hasEnded(index: number): boolean {
    return this.#node(index).child?.hasExited ?? true;
  }

  async restart(index: number): Promise<void> {
    await this.startBroker(index);
    await whenAnswers(this.#node(index));
  }

  /** Brokers that were killed come back on other ports; nobody listens on the old ones. */
  async restartElsewhere(): Promise<void> {
    for (const node of this.#nodes) {
      const port = await freePort();
      const proxy = node.proxy && (await TcpProxy.start({ targetPort: port }));
      await node.proxy?.close();
      node.proxy = proxy;
      node.options = { ...node.options, port, ...(proxy && { advertisedPort: proxy.port }) };
    }
    await Promise.all(this.#nodes.map((_, index) => this.startBroker(index)));
    await Promise.all(this.#nodes.map((node) => whenAnswers(node)));
  }

  /** SIGSTOP: connections stay, nothing is answered. */
  pause(index: number): void {
    this.#node(index).child?.signal("SIGSTOP");
  }

  resume(index: number): void {
    this.#node(index).child?.signal("SIGCONT");
  }

  /** Resolves when the partition is led by that node (counted from 1), which holds a replica. */
  async moveLeader(topic: string, partition: number, node: number): Promise<void> {
    const brokers = this.directBrokers;
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      // Only who is in sync is elected, and only at the moment of the asking.
      const isMoved = async (): Promise<boolean> => {
        const places = await placesBy(admin, topic);
        const place = places.find((other) => other.partition === partition);
        if (place === undefined) throw new Error(`no partition ${partition} of ${topic}`);
        const { leader, inSync, replicas: now } = place;
        if (leader === node) return true;
        if (!inSync.includes(node)) return false;
        const replicas = [node, ...now.filter((replica) => replica !== node)];
        const partitionAssignment = [{ partition, replicas }];
        await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] });
        return false;
      };
      await waitFor(isMoved, {
        what: `${topic}/${partition} led by ${node}`,
        timeoutMs: MOVE_TIMEOUT_MS,
      });
    } finally {
      await admin.disconnect();
    }
  }

  async stop(): Promise<void> {
    for (const { child, proxy } of this.#nodes) {
      child?.signal("SIGKILL");
      await child?.exited;
      await proxy?.close();
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #whenAllAreIn(): Promise<void> {
    const admin = new Kafka({ brokers: this.directBrokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      const areIn = async (): Promise<boolean> =>
        (await admin.describeCluster()).brokers.length === this.#nodes.length;
      await waitFor(areIn, { what: "all brokers are in the cluster" });
    } finally {
      await admin.disconnect();
    }
  }

  #node(index: number): Node {
    const node = this.#nodes[index];
    if (node === undefined) throw new Error(`no broker ${index}`);
    return node;
  }
}

async function layOut(folder: string, options: KafkaClusterOptions): Promise<Node[]> {
  const { brokers, proxied = false, settings = {}, settingsOf } = options;
  const clusterId = newClusterId(() => randomBytes(16));
  const places = [];
  for (let index = 0; index < brokers; index++) {
    const [port, controllerPort, internalPort] = [
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    places.push({ port, controllerPort, internalPort });
  }
  const voters = places.map(
    ({ controllerPort }, index) => `${index + 1}@127.0.0.1:${controllerPort}`,
  );
  return Promise.all(
    places.map(async (place, index) => {
      const proxy = proxied ? await TcpProxy.start({ targetPort: place.port }) : undefined;
      const dataFolder = join(folder, String(index + 1));
      const security = await securityOf(options.secured, { ...place, folder: dataFolder });
      const nodeOptions: KafkaProcessOptions = {
        port: place.port,
        controllerPort: place.controllerPort,
        ...(proxy && { advertisedPort: proxy.port, internalPort: place.internalPort }),
        dataFolder,
        cacheFolder: cacheFolder(),
        nodeId: index + 1,
        voters,
        clusterId,
        heapMb: 320,
        settings: {
          ...PREFERRED_LEADERS,
          ...security.settings,
          ...settings,
          ...settingsOf?.(index),
        },
      };
      return { options: nodeOptions, child: undefined, proxy, securedPorts: security.ports };
    }),
  );
}

async function securityOf(
  secured: SecuredOptions | undefined,
  place: { readonly port: number; readonly controllerPort: number; readonly folder: string },
): Promise<{
  readonly ports: SecuredPorts | undefined;
  readonly settings: Readonly<Record<string, string>>;
}> {
  if (secured === undefined) return { ports: undefined, settings: {} };
  const ports = {
    SASL_SSL: await freePort(),
    SSL: await freePort(),
    SASL_PLAINTEXT: await freePort(),
  };
  const { port: plainPort, controllerPort, folder } = place;
  mkdirSync(folder, { recursive: true });
  return {
    ports,
    settings: securedSettings({ secured, ports, plainPort, controllerPort, folder }),
  };
}

async function whenAnswers({ child, options }: Node): Promise<void> {
  if (child !== undefined) await whenKafkaAnswers(child, options.port);
}
