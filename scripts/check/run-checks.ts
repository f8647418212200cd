import { performance } from "node:perf_hooks";
import type { Check } from "./checks.ts";

export interface CheckReport {
  readonly name: string;
  readonly findings: readonly string[];
  readonly seconds: number;
  /** What was not looked at, and why. */
  readonly skipped: readonly string[];
}

/**
 * Runs the checks, a few at a time, and tells each as it ends. A check that throws has failed with
 * what it threw: the others still have their say.
 */
export async function runChecks(
  checks: readonly Check[],
  options: { readonly atOnce: number; readonly onReport: (report: CheckReport) => void },
): Promise<CheckReport[]> {
  const waiting = [...checks];
  const reports: CheckReport[] = [];
  const lane = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const report = await run(check);
      reports.push(report);
      options.onReport(report);
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, lane));
  return reports;
}

export function formatReport({ name, findings, seconds, skipped }: CheckReport): string {
  const mark = findings.length === 0 ? "ok  " : "FAIL";
  const line = `${mark}  ${name.padEnd(28)} ${seconds.toFixed(1).padStart(5)} s`;
  return skipped.length === 0 ? line : `${line}  skipped: ${skipped.join("; ")}`;
}

/** Everything the failed checks have to say, under their names. */
export function formatFindings(reports: readonly CheckReport[]): string {
  return reports
    .filter(({ findings }) => findings.length > 0)
    .map(({ name, findings }) => [`── ${name}`, ...findings, ""].join("\n"))
    .join("\n");
}

async function run(check: Check): Promise<CheckReport> {
  const startMs = performance.now();
  const skipped: string[] = [];
  const skip = (what: string): void => void skipped.push(what);
  const findings = await check.find(skip).catch((error: unknown) => [String(error)]);
  const seconds = (performance.now() - startMs) / 1000;
  return { name: check.name, findings, seconds, skipped };
}
