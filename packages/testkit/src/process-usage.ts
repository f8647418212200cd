import { readFileSync, readdirSync } from "node:fs";

/** What a process has used and holds, by the system: proc(5). */
export interface ProcessUsage {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** The kernel tells times in these, whatever its own clock ticks at. */
const TICKS_PER_S = 100;
const KIB = 1_024;

/** Fields behind the command's name, counted from 0. */
const UTIME = 11;
const STIME = 12;

/** Throws for a process that has ended, and where there is no /proc. */
export function processUsage(pid: number): ProcessUsage {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name in parentheses may hold anything, also spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[UTIME]) + Number(fields[STIME]);
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const resident = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  return { cpuSeconds: ticks / TICKS_PER_S, residentBytes: resident * KIB };
}

/** How many descriptors it has open; throws as `processUsage` does. */
export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
