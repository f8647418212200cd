import { readFileSync } from "node:fs";
import { type ProcessUsage, processUsage } from "@millrace/testkit";

export interface MeterReading {
  readonly atMs: number;
  /** Of the processes of one kind, added up. */
  readonly usage: ReadonlyMap<string, ProcessUsage>;
  /** Of each core: seconds it was busy, and seconds in all. */
  readonly cores: readonly { readonly busy: number; readonly all: number }[];
}

/** What happened between two readings. */
export interface MeterSpan {
  readonly seconds: number;
  /** CPU seconds per second, by name. */
  readonly cpu: ReadonlyMap<string, number>;
  /** Resident bytes at its end, by name. */
  readonly resident: ReadonlyMap<string, number>;
  /** From 0 to 1, of each core. */
  readonly busyCores: readonly number[];
}

/** The kernel tells times in these, whatever its own clock ticks at. */
const TICKS_PER_S = 100;

/** Reads the processes' times and memory from /proc; a process that has ended counts as nothing. */
export class ProcessMeter {
  readonly #pids = new Map<string, readonly number[]>();

  watch(name: string, pids: readonly number[]): void {
    this.#pids.set(name, pids);
  }

  forget(name: string): void {
    this.#pids.delete(name);
  }

  read(): MeterReading {
    const usage = new Map(
      [...this.#pids].map(([name, pids]) => [name, sumOf(pids.map(usageOf))] as const),
    );
    return { atMs: performance.now(), usage, cores: coreTimes() };
  }
}

export function spanBetween(before: MeterReading, after: MeterReading): MeterSpan {
  const seconds = (after.atMs - before.atMs) / 1_000;
  const names = [...after.usage.keys()];
  const cpuOf = ({ usage }: MeterReading, name: string): number => usage.get(name)?.cpuSeconds ?? 0;
  return {
    seconds,
    cpu: new Map(names.map((name) => [name, (cpuOf(after, name) - cpuOf(before, name)) / seconds])),
    resident: new Map(names.map((name) => [name, after.usage.get(name)?.residentBytes ?? 0])),
    busyCores: after.cores.map(({ busy, all }, index) => {
      const { busy: busyBefore = 0, all: allBefore = 0 } = before.cores[index] ?? {};
      return all === allBefore ? 0 : (busy - busyBefore) / (all - allBefore);
    }),
  };
}

function usageOf(pid: number): ProcessUsage {
  try {
    return processUsage(pid);
  } catch {
    // It has ended.
    return { cpuSeconds: 0, residentBytes: 0 };
  }
}

function sumOf(all: readonly ProcessUsage[]): ProcessUsage {
  return {
    cpuSeconds: all.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    residentBytes: all.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
  };
}

function coreTimes(): { readonly busy: number; readonly all: number }[] {
  const lines = readFileSync("/proc/stat", "latin1").split("\n");
  return lines
    .filter((line) => /^cpu\d/.test(line))
    .map((line) => {
      const ticks = line.split(/\s+/).slice(1, 9).map(Number);
      const all = ticks.reduce((sum, value) => sum + value, 0);
      const [, , , idle = 0, waiting = 0] = ticks;
      return { busy: (all - idle - waiting) / TICKS_PER_S, all: all / TICKS_PER_S };
    });
}
