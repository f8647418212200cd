import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { resultOf } from "../verify/result.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export type VerifyResult = ReturnType<typeof resultOf>;

export interface VerifierPlace {
  readonly readyFile: string;
  readonly logs: string;
}

/** `npm run verify`, live while the soak runs: its lines are the soak's progress. */
export class LiveVerifier {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;

  constructor(place: VerifierPlace, everyS: number) {
    this.#child = spawnVerify(place, ["--follow", "--every", String(everyS), "--json"], "ignore");
    this.#ended = new Promise((resolve) => {
      this.#child.once("exit", (code) => resolve(code ?? 1));
    });
  }

  /** It judges what was acknowledged until now; its exit code. */
  end(): Promise<number> {
    this.#child.kill("SIGINT");
    return this.#ended;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

/** The whole of it afterwards. */
export async function audit(place: VerifierPlace): Promise<VerifyResult> {
  const child = spawnVerify(place, ["--json", "--complete"], "pipe");
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  await new Promise((resolve) => child.once("close", resolve));
  if (output === "") throw new Error("verify could not judge; its words stand above");
  return JSON.parse(output) as VerifyResult;
}

function spawnVerify(
  { readyFile, logs }: VerifierPlace,
  options: readonly string[],
  stdout: "pipe" | "ignore",
): ChildProcess {
  const script = ["--import", "tsx", "scripts/verify.ts", "--ready-file", readyFile];
  return spawn(process.execPath, [...script, "--logs", logs, ...options], {
    cwd: ROOT,
    stdio: ["ignore", stdout, "inherit"],
  });
}
