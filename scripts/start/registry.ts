import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "@millrace/runtime";
import { type Child, orEnd, outputTail, startChild, waitFor } from "@millrace/testkit";
import { portBeside } from "./places.ts";
import { Supervised } from "./supervised.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const HOST = "127.0.0.1";
const USUAL_PORT = 8081;
const READY_MS = 30_000;
const ANSWER_MS = 1_000;

/** The schema registry as its supervisor sees it, with the address that the ready file tells. */
export interface RunningRegistry {
  readonly http: string;
  readonly pid: number;
  readonly exited: Child["exited"];
  stop(graceMs: number): Promise<void>;
}

export interface RegistryOptions {
  readonly topic: string;
  readonly logFolder: string;
  readonly clock: Clock;
  readonly tell: (line: string) => void;
  readonly onBack: () => void;
  /** A port that is meant for something else. */
  readonly isPromised: (port: number) => boolean;
}

/** Started once its port is known, and kept running on it. */
export async function startRegistry(
  options: RegistryOptions,
): Promise<Supervised<RunningRegistry>> {
  const { clock, tell, onBack, isPromised } = options;
  const port = await portBeside(USUAL_PORT, isPromised);
  const launch = (signal: AbortSignal): Promise<RunningRegistry> =>
    launchRegistry(port, options, signal);
  return Supervised.start({ name: "registry", launch, clock, tell, onBack });
}

async function launchRegistry(
  port: number,
  { topic, logFolder }: RegistryOptions,
  signal: AbortSignal,
): Promise<RunningRegistry> {
  const child = startChild({
    command: process.execPath,
    args: ["--import", "tsx", "services/tap/src/main.ts"],
    cwd: ROOT,
    env: { TAP_HOST: HOST, TAP_PORT: String(port), TAP_TOPIC: topic },
    outputFile: join(logFolder, "registry.log"),
  });
  const http = `http://${HOST}:${port}`;
  const isReady = (): Promise<boolean> => {
    if (signal.aborted) throw new Error("the registry is not needed any more");
    if (child.hasExited) {
      throw new Error(`the registry ended at its start:\n${outputTail(child.outputFile)}`);
    }
    return answersAsRegistry(http);
  };
  const what = `the registry is ready on port ${port} (see ${child.outputFile})`;
  await orEnd(child, waitFor(isReady, { what, timeoutMs: READY_MS }));
  const stop = (graceMs: number): Promise<void> => child.stop(graceMs);
  return { http, pid: child.pid, exited: child.exited, stop };
}

async function answersAsRegistry(http: string): Promise<boolean> {
  try {
    const answer = await fetch(`${http}/schemas/types`, { signal: AbortSignal.timeout(ANSWER_MS) });
    await answer.body?.cancel();
    return answer.status === 200;
  } catch {
    // Nobody listens there yet, or the answer takes too long.
    return false;
  }
}
