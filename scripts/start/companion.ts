import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "@millrace/runtime";
import { type Child, orEnd, outputTail, startChild, waitFor } from "@millrace/testkit";
import { portBeside } from "./places.ts";
import { Supervised } from "./supervised.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const HOST = "127.0.0.1";
const READY_MS = 30_000;
const ANSWER_MS = 1_000;

/** A service beside the edges as its supervisor sees it, with the address that the ready file tells. */
export interface RunningCompanion {
  readonly http: string;
  readonly pid: number;
  readonly exited: Child["exited"];
  stop(graceMs: number): Promise<void>;
}

/** What it is, whatever product it belongs to. */
export interface CompanionKind {
  readonly name: string;
  readonly main: string;
  readonly usualPort: number;
  /** Answers 200 once it serves. */
  readonly readyPath: string;
  /** The names of its options for where it listens. */
  readonly hostOption: string;
  readonly portOption: string;
}

export interface CompanionPlace {
  readonly logFolder: string;
  readonly clock: Clock;
  readonly tell: (line: string) => void;
  readonly onBack: () => void;
  /** A port that is meant for something else. */
  readonly isPromised: (port: number) => boolean;
}

/** Started once its port is known, and kept running on it. */
export async function startCompanion(
  kind: CompanionKind,
  env: Readonly<Record<string, string>>,
  place: CompanionPlace,
): Promise<Supervised<RunningCompanion>> {
  const { logFolder, clock, tell, onBack, isPromised } = place;
  const port = await portBeside(kind.usualPort, isPromised);
  const placed = { ...env, [kind.hostOption]: HOST, [kind.portOption]: String(port) };
  const launch = (signal: AbortSignal): Promise<RunningCompanion> =>
    launchCompanion(kind, { port, env: placed, logFolder, signal });
  return Supervised.start({ name: kind.name, launch, clock, tell, onBack });
}

async function launchCompanion(
  { name, main, readyPath }: CompanionKind,
  run: {
    readonly port: number;
    readonly env: Readonly<Record<string, string>>;
    readonly logFolder: string;
    readonly signal: AbortSignal;
  },
): Promise<RunningCompanion> {
  const { port, env, logFolder, signal } = run;
  const child = startChild({
    command: process.execPath,
    args: ["--import", "tsx", main],
    cwd: ROOT,
    env,
    outputFile: join(logFolder, `${name}.log`),
  });
  const http = `http://${HOST}:${port}`;
  const isReady = (): Promise<boolean> => {
    if (signal.aborted) throw new Error(`the ${name} is not needed any more`);
    if (child.hasExited) {
      throw new Error(`the ${name} ended at its start:\n${outputTail(child.outputFile)}`);
    }
    return answers(`${http}${readyPath}`);
  };
  const what = `the ${name} is ready on port ${port} (see ${child.outputFile})`;
  await orEnd(child, waitFor(isReady, { what, timeoutMs: READY_MS }));
  const stop = (graceMs: number): Promise<void> => child.stop(graceMs);
  return { http, pid: child.pid, exited: child.exited, stop };
}

async function answers(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    await answer.body?.cancel();
    return answer.status === 200;
  } catch {
    // Nobody listens there yet, or the answer takes too long.
    return false;
  }
}
