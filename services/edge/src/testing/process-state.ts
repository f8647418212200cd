import { readFileSync, readdirSync } from "node:fs";

/** Clock ticks a second, as /proc counts CPU time. */
const TICKS_PER_S = 100;
const PAGE_BYTES = 4_096;

/** What the system says of another process. */
export interface ProcessState {
  readonly descriptors: number;
  readonly rssBytes: number;
  readonly cpuS: number;
}

export function processState(pid: number): ProcessState {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name stands in brackets, and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user = 0, system = 0] = [fields[11], fields[12]].map(Number);
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    rssBytes: Number(fields[21]) * PAGE_BYTES,
    cpuS: (user + system) / TICKS_PER_S,
  };
}
