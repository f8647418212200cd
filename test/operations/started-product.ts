import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isPortFree, waitFor } from "@millrace/testkit";
import type { ReadyFile } from "../../scripts/start/ready-file.ts";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const START_MS = 240_000;

/** Services that a surrounding run has been given are not for a product of its own. */
const NOTHING_GIVEN = {
  KAFKA_BROKERS: "",
  KAFKA_SECURITY_DIR: "",
  REDIS_URL: "",
  REDIS_SECURITY_DIR: "",
  MILLRACE_CONTROL: "",
  MILLRACE_TOKEN: "",
  MILLRACE_CLIENT_URLS: "",
};

/** A whole product, as `npm start` runs it, in a data folder of its own. */
export class StartedProduct {
  readonly folder: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(folder: string, child: ChildProcess) {
    this.folder = folder;
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once("exit", resolve));
  }

  /** Resolves when everything serves. */
  static async start(...args: readonly string[]): Promise<StartedProduct> {
    const folder = mkdtempSync(join(tmpdir(), "millrace-operations-"));
    const place = ["--port", String(await freePorts(8)), "--data", join(folder, "data")];
    const child = spawn(process.execPath, ["scripts/launch.mjs", "start", ...place, ...args], {
      cwd: ROOT,
      env: { ...process.env, ...NOTHING_GIVEN },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    const product = new StartedProduct(folder, child);
    const isReady = () => {
      if (child.exitCode !== null) throw new Error(`it ended:\n${output}`);
      return existsSync(product.readyFile);
    };
    try {
      await waitFor(isReady, { what: "the ready file", timeoutMs: START_MS });
    } catch (error) {
      await product.stop();
      throw error;
    }
    return product;
  }

  get dataFolder(): string {
    return join(this.folder, "data");
  }

  get readyFile(): string {
    return join(this.dataFolder, "ready.json");
  }

  get ready(): ReadyFile {
    return JSON.parse(readFileSync(this.readyFile, "utf8")) as ReadyFile;
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A port with some free ones behind it, for the edges. */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = 22_000 + Math.floor(Math.random() * 8_000);
    const ports = Array.from({ length: count }, (_, index) => first + index);
    const areFree = await Promise.all(ports.map((port) => isPortFree(port)));
    if (areFree.every(Boolean)) return first;
  }
}

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Typed {
  readonly input?: string;
  /** Ends it by Ctrl-C when what it wrote is enough. */
  readonly until?: (out: string) => boolean;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** The real command line in a process of its own, as an operator in the checkout would run it. */
export async function millrace(
  args: readonly string[],
  { input, until, command = [process.execPath, "scripts/millrace.mjs"], environment }: Typed = {},
): Promise<Ran> {
  const [file = "", ...before] = command;
  const child = spawn(file, [...before, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...NOTHING_GIVEN, ...environment },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    if (until?.(out) === true) child.kill("SIGINT");
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  // It may not want to read all of it.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input ?? "");
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out, err };
}
