import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Child, answersReady, outputTail, startChild, waitFor } from "@millrace/testkit";
import { Redis } from "ioredis";
import type { ReadyFile } from "../start/ready-file.ts";
import type { Fault } from "./fault-plan.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const START_MS = 180_000;

/** A broker that was killed first reads its log again, and edges are started after it. */
const SERVES_MS = 240_000;
const END_MS = 45_000;

/** Its Kafka and Redis are its own, whatever the environment gives: nobody else's are to be killed. */
const NOTHING_GIVEN = {
  KAFKA_BROKERS: "",
  KAFKA_SECURITY_DIR: "",
  REDIS_URL: "",
  REDIS_SECURITY_DIR: "",
};

/** The product as users start it, whose processes are hurt by their pids. */
export class SoakedProduct {
  readonly readyFile: string;
  readonly #child: Child;

  private constructor(child: Child, readyFile: string) {
    this.#child = child;
    this.readyFile = readyFile;
  }

  static async start(options: {
    readonly dataFolder: string;
    readonly edges: number;
    readonly port: number;
  }): Promise<SoakedProduct> {
    const { dataFolder, edges, port } = options;
    const readyFile = join(dataFolder, "soak-ready.json");
    rmSync(readyFile, { force: true });
    const counts = ["--edges", String(edges), "--port", String(port)];
    const places = ["--data", dataFolder, "--ready-file", readyFile, "--fresh"];
    const child = startChild({
      command: process.execPath,
      args: ["--import", "tsx", "scripts/start.ts", ...counts, ...places],
      cwd: ROOT,
      env: NOTHING_GIVEN,
      outputFile: join(dataFolder, "soak-start.log"),
    });
    const product = new SoakedProduct(child, readyFile);
    await waitFor(() => product.#isReady(), { what: "the product", timeoutMs: START_MS });
    return product;
  }

  /** As the ready file has it now. */
  get places(): ReadyFile {
    return JSON.parse(readFileSync(this.readyFile, "utf8")) as ReadyFile;
  }

  /** Every process that is ours, by its name. */
  get pids(): Map<string, number> {
    const { edges, kafka, redis, pid } = this.places;
    const pids = new Map(edges.map((edge) => [edge.id, edge.pid]));
    for (const broker of kafka.pids) pids.set("kafka", broker);
    if (redis.pid !== undefined) pids.set("redis", redis.pid);
    return pids.set("start", pid);
  }

  /** Resolves when it is over; what is ended comes back by itself. False: there is none of that. */
  async hurt(fault: Fault): Promise<boolean> {
    const [whom = "", what] = fault.kind.split("-");
    const name = whom === "edge" ? `edge-${fault.edge + 1}` : whom;
    const pid = this.pids.get(name);
    if (what === "flush") return this.#flush();
    if (pid === undefined) return false;
    if (what !== "freeze") return signal(pid, what === "restart" ? "SIGTERM" : "SIGKILL");
    const isThere = signal(pid, "SIGSTOP");
    await sleep(fault.freezeMs);
    signal(pid, "SIGCONT");
    return isThere;
  }

  /** Every edge takes clients. */
  async whenServing(): Promise<void> {
    const areServing = async (): Promise<boolean> => {
      const ports = this.places.edges.map(({ http }) => Number(new URL(http).port));
      return (await Promise.all(ports.map(answersReady))).every(Boolean);
    };
    await waitFor(areServing, { what: "all edges after the last fault", timeoutMs: SERVES_MS });
  }

  async stop(): Promise<void> {
    await this.#child.stop(END_MS);
  }

  #isReady(): boolean {
    if (this.#child.hasExited) {
      throw new Error(`the product could not be started:\n${outputTail(this.#child.outputFile)}`);
    }
    try {
      return this.places.edges.length > 0;
    } catch {
      // Not written yet.
      return false;
    }
  }

  async #flush(): Promise<boolean> {
    const connection = new Redis(this.places.redis.url, { maxRetriesPerRequest: 1 });
    connection.on("error", () => undefined);
    try {
      await connection.flushall();
      return true;
    } catch {
      // It is just coming back from the fault before.
      return false;
    } finally {
      connection.disconnect();
    }
  }
}

function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    // It has ended by itself.
    return false;
  }
}
