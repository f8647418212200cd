import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { promisify } from "node:util";
import { cacheFolder, findRedisOnPath, redisFromWheel } from "@millrace/testkit";
import type { Cores } from "../stage/cores.ts";

const run = promisify(execFile);
const GB = 1e9;

/** Where the numbers come from: without it they mean nothing. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  readonly kafka: string;
  readonly redis: string;
  readonly pinned: string;
  readonly edgeRunsBy: string;
}

export async function describeMachine(cores: Cores | undefined): Promise<Machine> {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memoryGb: Math.round(totalmem() / GB),
    kernel: release(),
    node: process.version,
    kafka: kafkaVersion(),
    redis: await redisVersion(),
    pinned:
      cores === undefined
        ? "nobody"
        : `edge ${cores.edge}, Kafka and Redis ${cores.kafka}, load ${cores.load}`,
    edgeRunsBy: "node --import tsx, as npm start runs it",
  };
}

function kafkaVersion(): string {
  const pom = "infra/kafka/pom.xml";
  const text = existsSync(pom) ? readFileSync(pom, "utf8") : "";
  return /<kafka.version>([^<]+)</.exec(text)?.[1] ?? "unknown";
}

async function redisVersion(): Promise<string> {
  const command =
    (await findRedisOnPath()) ?? (await redisFromWheel(cacheFolder(), () => undefined));
  const { stdout } = await run(command, ["--version"]);
  return /^(\S+) server v=(\S+)/.exec(stdout)?.slice(1).join(" ") ?? "unknown";
}
