import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Logger } from "@millrace/runtime";
import { type Child, livingChildren } from "@millrace/testkit";
import { ensureIssuer } from "../token.mjs";
import { type Backing, type BackingOptions, launchKafka, launchRedis } from "./backing.ts";
import { countBrokers } from "./cluster.ts";
import { type RunningEdge, edgeEnvironment, localOrigins, startEdges } from "./edges.ts";
import { wipe } from "./fresh.ts";
import { givenKafka, givenRedis } from "./given.ts";
import type { EdgePlace } from "./places.ts";
import { PROXY_ADDRESS, Proxies } from "./proxy.ts";
import { type ReadyFile, removeReadyFile, writeReadyFile } from "./ready-file.ts";
import { checkRedis } from "./redis-store.ts";
import { type RunningRegistry, startRegistry } from "./registry.ts";
import type { Screen } from "./screen.ts";
import type { StartOptions } from "./start-options.ts";
import type { Supervised } from "./supervised.ts";
import { type EnsureTopic, settleTopic } from "./topic-settings.ts";

/** Clients have that long to leave when everything ends. */
const EDGE_GRACE_MS = 10_000;

/** Who is still connected then belongs to no edge any more. */
const PROXY_GRACE_MS = 2_000;

/** Redis and Kafka write what they hold. */
const BACKING_GRACE_MS = 15_000;

export interface ProductDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly screen: Screen;
  readonly ensureTopic: EnsureTopic;
  /** Another script than the edge's own: for tests. */
  readonly edgeMain?: string;
}

/** All processes of one `npm start`, and the files that tell where they are. */
export class Product {
  readonly #options: StartOptions;
  readonly #dependencies: ProductDependencies;
  readonly #places: readonly EdgePlace[];
  readonly #issuer = ensureIssuer();
  #kafka: Backing<readonly string[]> | undefined;
  #redis: Backing<string> | undefined;
  #edges: Supervised<RunningEdge>[] = [];
  #registry: Supervised<RunningRegistry> | undefined;
  #proxies: Proxies | undefined;
  #isReady = false;

  constructor(
    options: StartOptions,
    dependencies: ProductDependencies,
    places: readonly EdgePlace[],
  ) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#places = places;
  }

  get logFolder(): string {
    return join(this.#options.dataFolder, "logs");
  }

  /** The ready file for the product's own commands. */
  get ownReadyFile(): string {
    return join(this.#options.dataFolder, "ready.json");
  }

  /** Starts everything in order, and writes the ready files when all of it serves. */
  async start(): Promise<ReadyFile> {
    const { screen } = this.#dependencies;
    for (const file of this.#readyFiles()) removeReadyFile(file);
    if (this.#options.isFresh) await screen.step("wiped", () => wipe(this.#options));
    // What they need and don't find is said before anything else takes its time.
    this.#proxies = await this.#prepareProxies();
    // Each is noted as soon as it runs, so that a start that is given up ends it in order.
    this.#redis = await this.#startRedis();
    this.#kafka = await this.#startKafka();
    await this.#startEdges(this.#kafka.address, this.#redis.address);
    const proxies = this.#proxies;
    if (proxies !== undefined) await screen.step("load balancer", () => proxies.start());
    this.#isReady = true;
    return this.#tellReady();
  }

  /** Ends everything in order: who serves clients first, who keeps their data last. */
  async stop(): Promise<void> {
    this.#isReady = false;
    for (const file of this.#readyFiles()) removeReadyFile(file);
    const serving = [...this.#edges, ...(this.#registry ? [this.#registry] : [])];
    await Promise.all(serving.map((part) => part.stop(EDGE_GRACE_MS)));
    await this.#proxies?.stop(PROXY_GRACE_MS);
    for (const backing of [this.#redis, this.#kafka]) {
      await backing?.supervised?.stop(BACKING_GRACE_MS);
      await backing?.container?.stop();
    }
    await endAllChildren();
  }

  async #prepareProxies(): Promise<Proxies | undefined> {
    const { dataFolder, proxies: count = 0 } = this.#options;
    if (count === 0) return undefined;
    return Proxies.prepare({ ...this.#backingOptions(), dataFolder, count, edges: this.#places });
  }

  async #startRedis(): Promise<Backing<string>> {
    const redis = givenRedis(this.#options);
    const { screen } = this.#dependencies;
    if (redis === undefined) {
      return screen.step("Redis", () => launchRedis(this.#backingOptions()));
    }
    await screen.step("Redis (given by REDIS_URL)", () => checkRedis(redis));
    return { address: redis.url, source: "env" };
  }

  async #startKafka(): Promise<Backing<readonly string[]>> {
    const kafka = givenKafka(this.#options);
    const { screen } = this.#dependencies;
    if (kafka === undefined) {
      return screen.step("Kafka", () => launchKafka(this.#backingOptions()));
    }
    await screen.step("Kafka (given by KAFKA_BROKERS)", () => countBrokers(kafka));
    return { address: kafka.brokers, source: "env" };
  }

  #backingOptions(): BackingOptions {
    const { clock, screen } = this.#dependencies;
    return {
      dataFolder: this.#options.dataFolder,
      clock,
      tell: (line) => screen.tell(line),
      onBack: () => this.#tellBack(),
      dockerHost: process.env["DOCKER_HOST"],
      isPromised: (port) => this.#isPromised(port),
    };
  }

  #isPromised(port: number): boolean {
    if (this.#proxies?.isPromised(port) === true) return true;
    return this.#places.some((place) => place.port === port || place.metricsPort === port);
  }

  async #startEdges(brokers: readonly string[], redisUrl: string): Promise<void> {
    const { clock, logger, screen, ensureTopic, edgeMain } = this.#dependencies;
    const { topic, origins, delivery, kafkaSecurityDir, redisSecurityDir } = this.#options;
    const kafka = givenKafka(this.#options) ?? { brokers };
    const { isDevelopment } = await screen.step("topics", () =>
      settleTopic({ kafka, topic, ensureTopic, logger, screen }),
    );
    const env = edgeEnvironment({
      brokers,
      redisUrl,
      topic,
      issuer: this.#issuer,
      delivery,
      origins: [
        ...(origins.length > 0 ? origins : localOrigins(this.#places)),
        ...(this.#proxies?.origins ?? []),
      ],
      ...(this.#proxies && { trustedProxies: [PROXY_ADDRESS] }),
      isDevelopment,
      ...(kafkaSecurityDir !== undefined && { kafkaSecurityDir }),
      ...(redisSecurityDir !== undefined && { redisSecurityDir }),
    });
    const what = this.#places.length === 1 ? "edge" : `${this.#places.length} edges`;
    const starting = async (): Promise<void> => {
      this.#edges = await startEdges({
        places: this.#places,
        logFolder: this.logFolder,
        env,
        clock,
        tell: (line) => screen.tell(line),
        onBack: () => this.#tellBack(),
        ...(edgeMain !== undefined && { main: edgeMain }),
      });
    };
    // The registry needs nobody, so it costs the start no time of its own.
    await screen.step(`${what}, schema registry`, () =>
      Promise.all([starting(), this.#startRegistry()]),
    );
  }

  async #startRegistry(): Promise<void> {
    const { clock, screen } = this.#dependencies;
    this.#registry = await startRegistry({
      topic: this.#options.topic,
      logFolder: this.logFolder,
      clock,
      tell: (line) => screen.tell(line),
      onBack: () => this.#tellBack(),
      isPromised: (port) => this.#isPromised(port),
    });
  }

  #tellBack(): void {
    // What ends while the others still start is told with them.
    if (this.#isReady) this.#tellReady();
  }

  #tellReady(): ReadyFile {
    const content = this.#readyContent();
    for (const file of this.#readyFiles()) writeReadyFile(file, content);
    return content;
  }

  #readyFiles(): string[] {
    const { readyFile } = this.#options;
    return readyFile === undefined ? [this.ownReadyFile] : [this.ownReadyFile, readyFile];
  }

  #readyContent(): ReadyFile {
    const {
      address: brokers = [],
      source: kafkaSource = "env",
      supervised: broker,
    } = this.#kafka ?? {};
    const registry = this.#registry?.current;
    const { address: url = "", source: redisSource = "env", supervised: store } = this.#redis ?? {};
    return {
      edges: this.#edges.map(({ current: { id, ws, http, metrics, pid } }) => ({
        id,
        ws,
        http,
        metrics,
        pid,
      })),
      ...(this.#proxies && { proxy: this.#proxies.ready }),
      kafka: { brokers, pids: broker ? [broker.current.pid] : [], source: kafkaSource },
      redis: { url, ...(store && { pid: store.current.pid }), source: redisSource },
      issuer: { url: this.#issuer.url, jwks: this.#issuer.jwks },
      ...(registry && { registry: { http: registry.http, pid: registry.pid } }),
      topic: this.#options.topic,
      pid: process.pid,
    };
  }
}

/**
 * SIGKILL for every process of ours that is left, known by its pid, and SIGTERM for what those were
 * still being prepared by: a download, a format.
 */
export async function endAllChildren(): Promise<void> {
  const left: readonly Child[] = livingChildren();
  for (const child of left) child.signal("SIGKILL");
  await Promise.all(left.map(({ exited }) => exited));
  for (const pid of directChildren()) endByPid(pid);
}

/** Where the system tells (Linux). */
function directChildren(): number[] {
  try {
    const text = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8");
    return text.split(" ").map(Number).filter(Boolean);
  } catch {
    // No /proc: what is being prepared ends by itself.
    return [];
  }
}

function endByPid(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // It has ended meanwhile.
  }
}
