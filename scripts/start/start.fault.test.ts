import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { answersKafka, answersReady, answersRedis, isPortFree, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ReadyFile } from "./ready-file.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const START_MS = 240_000;
const TEST_MS = 300_000;
const NOTHING_GIVEN = {
  KAFKA_BROKERS: "",
  KAFKA_SECURITY_DIR: "",
  REDIS_URL: "",
  REDIS_SECURITY_DIR: "",
};

interface Run {
  readonly child: ChildProcess;
  readonly port: number;
  readonly ended: Promise<number | null>;
  output(): string;
}

let folder = "";
let runs: Run[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-start-"));
  runs = [];
});

afterEach(async () => {
  for (const { child } of runs) child.kill("SIGTERM");
  await Promise.all(runs.map(({ ended }) => ended));
  rmSync(folder, { recursive: true, force: true });
});

function start(port: number, ...args: string[]): Run {
  return startWith({ port, args, env: {} });
}

function startWith(options: { port: number; args: string[]; env: Record<string, string> }): Run {
  const { port, args, env } = options;
  const places = ["--port", String(port), "--data", join(folder, "data")];
  const child = spawn(process.execPath, ["scripts/launch.mjs", "start", ...places, ...args], {
    cwd: ROOT,
    // Services that a surrounding run has been given are not for this one.
    env: { ...process.env, ...NOTHING_GIVEN, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const run = { child, port, ended, output: () => output };
  runs.push(run);
  return run;
}

const readyFile = () => join(folder, "ready.json");

function ready(): ReadyFile {
  return JSON.parse(readFileSync(readyFile(), "utf8")) as ReadyFile;
}

async function whenReady(run: Run): Promise<ReadyFile> {
  const isThere = () => {
    if (run.child.exitCode !== null) throw new Error(`it ended:\n${run.output()}`);
    return existsSync(readyFile());
  };
  await waitFor(isThere, { what: "the ready file", timeoutMs: START_MS });
  return ready();
}

/** A port with some free ones behind it, for the edges. */
async function freePorts(count: number): Promise<number> {
  const isFree = async (first: number) => {
    const ports = Array.from({ length: count }, (_, index) => first + index);
    return (await Promise.all(ports.map((port) => isPortFree(port)))).every(Boolean);
  };
  let first = 0;
  do first = 22_000 + Math.floor(Math.random() * 8_000);
  while (!(await isFree(first)));
  return first;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie that nobody has collected yet is no process that runs.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    // Gone.
    return false;
  }
}

function pidsOf({ edges, kafka, redis, registry, pid }: ReadyFile): number[] {
  const others = [redis.pid, registry?.pid].filter((other) => other !== undefined);
  return [pid, ...edges.map((edge) => edge.pid), ...kafka.pids, ...others];
}

function whenNoneLeft(pids: readonly number[]): Promise<unknown> {
  return waitFor(() => !pids.some(isAlive), { what: "all processes are gone", timeoutMs: 5_000 });
}

describe("npm start", () => {
  it(
    "tells where everything is, in the ready file, and leaves nothing after SIGTERM",
    async () => {
      const port = await freePorts(2);
      const run = start(port, "--edges", "2", "--ready-file", readyFile());
      const content = await whenReady(run);
      expect(content).toMatchObject({
        edges: [
          { id: "edge-1", ws: `ws://127.0.0.1:${port}/v1/connect` },
          { id: "edge-2", http: `http://127.0.0.1:${port + 1}` },
        ],
        kafka: { source: "local" },
        redis: { source: "local" },
        topic: "chat.messages",
      });
      expect(JSON.parse(readFileSync(join(folder, "data", "ready.json"), "utf8"))).toEqual(content);
      expect(await answersReady(port)).toBe(true);
      expect(await answersRedis(Number(new URL(content.redis.url).port))).toBe(true);
      expect(await answersKafka("127.0.0.1", portOf(content.kafka.brokers[0]))).toBe(true);
      const subjects = await fetch(`${content.registry?.http}/subjects`);
      expect(await subjects.json()).toEqual([
        "chat.messages-value",
        "chat.cursors-value",
        "chat.control-value",
        "chat.audit-value",
      ]);
      const keys = JSON.parse(readFileSync(content.issuer.jwks, "utf8"));
      expect(keys).toMatchObject({ keys: [{ alg: "ES256" }] });
      const pids = pidsOf(content);
      expect(pids.filter((pid) => !isAlive(pid))).toEqual([]);

      run.child.kill("SIGTERM");
      expect(await run.ended).toBe(0);
      await whenNoneLeft(pids);
      expect(existsSync(join(folder, "data", "lock"))).toBe(false);
    },
    TEST_MS,
  );

  it(
    "starts again what ends, under the same id and port, and rewrites the ready file",
    async () => {
      const port = await freePorts(1);
      const run = start(port, "--ready-file", readyFile());
      let before = await whenReady(run);
      const parts = [
        ["SIGKILL", "edge", (file: ReadyFile) => file.edges[0]?.pid],
        ["SIGTERM", "edge", (file: ReadyFile) => file.edges[0]?.pid],
        ["SIGKILL", "registry", (file: ReadyFile) => file.registry?.pid],
        ["SIGKILL", "Redis", (file: ReadyFile) => file.redis.pid],
        ["SIGKILL", "Kafka", (file: ReadyFile) => file.kafka.pids[0]],
      ] as const;
      for (const [signal, name, pidOf] of parts) {
        const pid = pidOf(before) ?? 0;
        process.kill(pid, signal);
        const what = `another ${name} in the ready file`;
        await waitFor(() => pidOf(ready()) !== pid, { what, timeoutMs: 30_000 });
        const after = ready();
        expect(withoutPids(after)).toEqual(withoutPids(before));
        expect(await answersReady(port)).toBe(true);
        before = after;
      }
    },
    TEST_MS,
  );

  it(
    "rewrites the ready file within a second after an edge serves again",
    async () => {
      const port = await freePorts(1);
      const { edges } = await whenReady(start(port, "--ready-file", readyFile()));
      const pid = edges[0]?.pid ?? 0;
      process.kill(pid, "SIGKILL");
      await waitFor(async () => !isAlive(pid) && answersReady(port), { what: "it serves again" });
      const isRewritten = () => ready().edges[0]?.pid !== pid;
      // A busy machine gets ten times what is promised.
      await waitFor(isRewritten, { what: "the file is rewritten", timeoutMs: 10_000 });
    },
    TEST_MS,
  );

  it(
    "leaves nothing when it is killed, and finds its topics again when it is run anew",
    async () => {
      const first = start(await freePorts(1), "--ready-file", readyFile());
      const content = await whenReady(first);
      expect(first.output()).toContain("was created");
      process.kill(content.pid, "SIGKILL");
      await first.ended;
      await whenNoneLeft(pidsOf(content));

      // The file of the killed one is still there; the next one takes it away before it begins.
      const second = start(await freePorts(1), "--ready-file", readyFile());
      await waitFor(() => !existsSync(readyFile()), { what: "the old ready file is gone" });
      await whenReady(second);
      expect(second.output()).not.toContain("was created");
    },
    TEST_MS,
  );

  it(
    "ends in order when its launcher is killed",
    async () => {
      const run = start(await freePorts(1), "--ready-file", readyFile());
      const content = await whenReady(run);
      run.child.kill("SIGKILL");
      await waitFor(() => !pidsOf(content).some(isAlive), { what: "all processes are gone" });
    },
    TEST_MS,
  );

  it(
    "refuses a data folder that another one uses, and names it",
    async () => {
      const content = await whenReady(start(await freePorts(1), "--ready-file", readyFile()));
      const second = start(await freePorts(1));
      expect(await second.ended).toBe(1);
      expect(second.output()).toContain(`another npm start (pid ${content.pid})`);
    },
    TEST_MS,
  );

  it("reports a taken port before it starts anything", async () => {
    const first = await freePorts(2);
    const other = createServer();
    await new Promise<void>((resolve) => {
      other.listen(first + 1, "127.0.0.1", resolve);
    });
    try {
      const run = start(first, "--edges", "2");
      expect(await run.ended).toBe(1);
      expect(run.output()).toContain(`port ${first + 1} is taken`);
      expect(existsSync(join(folder, "data", "kafka"))).toBe(false);
    } finally {
      other.close();
    }
  });

  it("does not wipe what was given to it, unless this is confirmed", async () => {
    const env = { KAFKA_BROKERS: "127.0.0.1:1", REDIS_URL: "redis://:secret@127.0.0.1:1" };
    const run = startWith({ port: await freePorts(1), args: ["--fresh"], env });
    expect(await run.ended).toBe(1);
    expect(run.output()).toContain("add --yes");
  });

  it("says which given service does not answer, without its password", async () => {
    const env = { REDIS_URL: "redis://:secret@127.0.0.1:1" };
    const run = startWith({ port: await freePorts(1), args: [], env });
    expect(await run.ended).toBe(1);
    expect(run.output()).toContain("Redis at 127.0.0.1:1 can't be used");
    expect(run.output()).not.toContain("secret");
  });

  it("answers bad usage with code 2", async () => {
    const run = start(await freePorts(1), "--delivery", "pigeon");
    expect(await run.ended).toBe(2);
    expect(run.output()).toContain("direct or relay is needed");
  });
});

function portOf(address = ""): number {
  return Number(address.split(":").at(-1));
}

function withoutPids(content: ReadyFile): unknown {
  return JSON.parse(JSON.stringify(content, (key, value) => (/^pids?$/.test(key) ? "" : value)));
}
