import { setTimeout as sleep } from "node:timers/promises";
import type { FleetPlan, LoadFleet } from "../load/load-fleet.ts";
import type { Load } from "../load/load-protocol.ts";
import type { BenchStage, Served } from "../stage/bench-stage.ts";
import { spanBetween } from "../stage/process-meter.ts";
import { type Figures, figuresOf, foreignOf } from "./figures.ts";

/** What every scenario is given. */
export interface Bench {
  readonly stage: BenchStage;
  readonly seed: number;
  readonly isQuick: boolean;
  readonly tell: (line: string) => void;
  /** For so long each window waits for a machine that nobody else uses, and is measured again. */
  readonly patienceS: number;
  /** The bound at which a rising rate has gone too far. */
  readonly p99MsMax: number;
  /** Of clients, conversations and rates; below 1 in tests. */
  readonly scale: number;
  /** Instead of a scenario's own windows; in tests. */
  readonly windows?: Windows;
}

export interface Windows {
  readonly warmUpS: number;
  readonly seconds: number;
}

/** The same scenario with another environment of the edge. */
export interface Variant {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface ScenarioResult {
  readonly scenario: string;
  readonly variant: string;
  readonly figures?: Figures;
  /** Of a rising rate: every step, the last ones beyond the bound. */
  readonly steps?: readonly Figures[];
  /** Numbers that only this scenario has, by a name that tells their unit. */
  readonly more: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}

export type Scenario = (bench: Bench, variant: Variant) => Promise<ScenarioResult>;

export function windowsOf(
  { isQuick, windows }: Bench,
  own: { readonly full: Windows; readonly quick: Windows },
): Windows {
  return windows ?? (isQuick ? own.quick : own.full);
}

/** Beyond it the numbers are also about somebody else. */
const FOREIGN_CPU_MAX = 0.2;

const QUIET_MS = 15_000;
const PROBE_MS = 500;
const POLL_MS = 50;

/** Everybody in, or the run says why not. */
export async function opened(
  fleet: LoadFleet,
  bench: Bench,
  plan: Pick<FleetPlan, "port" | "count" | "conversations"> & Partial<FleetPlan>,
): Promise<void> {
  const full: FleetPlan = {
    subscribes: true,
    checksPrev: false,
    hasKeys: true,
    acknowledges: false,
    keepsKeys: false,
    issuerFolder: bench.stage.issuerFolder,
    seed: bench.seed,
    ...plan,
  };
  const { open, firstProblem, retried } = await fleet.open(full);
  if (retried > 0)
    bench.tell(`${retried} lines were lost or put off while they were opened, and made anew`);
  if (firstProblem !== undefined || open !== plan.count) {
    throw new Error(`${open} of ${plan.count} clients are in: ${firstProblem}`);
  }
}

/**
 * One window of what goes on at present. On a machine that others use, too, it is measured again,
 * as long as the patience lasts, and the quietest one counts.
 */
export async function measure(
  bench: Bench,
  fleet: Load,
  served: Pick<Served, "profiler">,
  seconds: number,
): Promise<Figures> {
  const endMs = performance.now() + bench.patienceS * 1_000;
  let quietest = await measureOnce(bench, fleet, served, seconds);
  while (isDisturbed(quietest) && performance.now() < endMs) {
    await whenOthersRest(bench, endMs);
    const again = await measureOnce(bench, fleet, served, seconds);
    if (again.foreignCpu < quietest.foreignCpu) quietest = again;
  }
  return quietest;
}

async function whenOthersRest({ stage }: Bench, endMs: number): Promise<void> {
  for (let foreign = 1; foreign > FOREIGN_CPU_MAX && performance.now() < endMs;) {
    const before = stage.meter.read();
    await sleep(PROBE_MS);
    foreign = foreignOf(spanBetween(before, stage.meter.read()));
  }
}

async function measureOnce(
  { stage }: Bench,
  fleet: Load,
  served: Pick<Served, "profiler">,
  seconds: number,
): Promise<Figures> {
  await fleet.windows();
  served.profiler?.begin();
  const before = stage.meter.read();
  await sleep(seconds * 1_000);
  const after = stage.meter.read();
  const windows = await fleet.windows();
  const profileFile = await served.profiler?.end();
  const figures = figuresOf(windows, spanBetween(before, after), stage.cores?.edge);
  return { ...figures, ...(profileFile !== undefined && { profileFile }) };
}

export interface Totals {
  readonly sent: number;
  readonly acknowledged: number;
  readonly received: number;
  readonly brokenPrevs: number;
  readonly errors: number;
}

/** Waits until nothing comes any more that was published; what came meanwhile, in all. */
export async function settled(fleet: Load): Promise<Totals> {
  await fleet.quiet();
  const totals = { sent: 0, acknowledged: 0, received: 0, brokenPrevs: 0, errors: 0 };
  const endMs = performance.now() + QUIET_MS;
  for (let silent = 0; silent < 4 && performance.now() < endMs;) {
    await sleep(POLL_MS);
    const windows = await fleet.windows();
    let news = 0;
    for (const window of windows) {
      totals.sent += window.sent;
      totals.acknowledged += window.acknowledged;
      totals.received += window.received;
      totals.brokenPrevs += window.brokenPrevs;
      totals.errors += window.errors;
      news += window.received + window.acknowledged;
    }
    silent = news === 0 ? silent + 1 : 0;
  }
  return totals;
}

export function isDisturbed({ foreignCpu }: Figures): boolean {
  return foreignCpu > FOREIGN_CPU_MAX;
}

export function notesOf(figures: Figures): string[] {
  const { loadLimit, errors, firstError, brokenPrevs, closes } = figures;
  const foreign = Math.round(figures.foreignCpu * 100);
  return [
    ...(loadLimit === undefined ? [] : [`the load side is the limit: ${loadLimit}`]),
    ...(isDisturbed(figures) ? [`other processes used ${foreign} % of a core`] : []),
    ...(errors === 0 ? [] : [`${errors} errors, the first: ${firstError}`]),
    ...(brokenPrevs === 0 ? [] : [`${brokenPrevs} messages do not continue the one before`]),
    ...(closes === 0 ? [] : [`${closes} connections were closed`]),
  ];
}
