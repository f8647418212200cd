import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Which core each side is bound to; undefined: nobody is bound. */
export interface Cores {
  readonly edge: number;
  readonly kafka: number;
  readonly load: number;
}

/** Binds a process, all its threads included, to one core. */
export async function pin(pid: number, core: number | undefined): Promise<void> {
  if (core !== undefined) await run("taskset", ["-a", "-c", "-p", String(core), String(pid)]);
}

/** The tool is there, and so many cores are. */
export async function canPin(core: number): Promise<boolean> {
  try {
    await run("taskset", ["-c", String(core), "true"]);
    return true;
  } catch {
    // No such tool, or no such core.
    return false;
  }
}
