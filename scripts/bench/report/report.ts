import { relative } from "node:path";
import { aimOutcomes } from "./aims.ts";
import { readProfile, topSelfTimes } from "./cpu-profile.ts";
import { featureLines } from "./feature-ratios.ts";
import { floorRatios } from "./floor-ratios.ts";
import type { BenchRun } from "../run-bench.ts";
import type { Figures } from "../scenario/figures.ts";
import type { ScenarioResult } from "../scenario/measured.ts";

const TOP_FUNCTIONS = 15;

type Column = readonly [title: string, cell: (figures: Figures) => string];

const COLUMNS: readonly Column[] = [
  ["publishes/s", ({ publishesPerS }) => whole(publishesPerS)],
  ["deliveries/s", ({ deliveriesPerS }) => whole(deliveriesPerS)],
  ["p50 ms", ({ p50Ms }) => tenths(p50Ms)],
  ["p99 ms", ({ p99Ms }) => tenths(p99Ms)],
  ["pubd p50", ({ ackP50Ms }) => tenths(ackP50Ms)],
  ["pubd p99", ({ ackP99Ms }) => tenths(ackP99Ms)],
  ["µs/delivery", ({ cpuUsPerDelivery }) => tenths(cpuUsPerDelivery)],
  ["per edge core/s", ({ deliveriesPerEdgeCore }) => whole(deliveriesPerEdgeCore)],
  ["CPU edge", ({ edgeCpu }) => percent(edgeCpu)],
  ["kafka", ({ kafkaCpu }) => percent(kafkaCpu)],
  ["redis", ({ redisCpu }) => percent(redisCpu)],
  ["load", ({ loadCpu }) => percent(loadCpu)],
  ["edge MB", ({ edgeResidentMb }) => whole(edgeResidentMb)],
];

/** A table for people, with what can't be told in columns below it. */
export function formatReport(run: BenchRun): string {
  const rows = run.results.map((result) => rowOf(result));
  const header = ["scenario", "variant", ...COLUMNS.map(([title]) => title)];
  const remarks = run.results.flatMap(remarksOf);
  const ratios = run.results.flatMap((result) => ratioOf(result, run.results));
  const parts = [
    machineLine(run),
    table([header, ...rows]),
    remarks.join("\n"),
    aimTable(run.results),
    floorRatios(run.results).join("\n"),
    featureLines(run.results).join("\n"),
    ratios.join("\n"),
    ...run.results.map(profileOf),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function machineLine({ command, machine, startedAt }: BenchRun): string {
  const { cpu, cores, memoryGb, kernel, node, kafka, redis, pinned, edgeRunsBy } = machine;
  return [
    `${command}   (${startedAt})`,
    `${cores} cores ${cpu}, ${memoryGb} GB, Linux ${kernel}, Node ${node}, Kafka ${kafka}, ${redis}`,
    `cores: ${pinned}; the edge runs by ${edgeRunsBy}`,
  ].join("\n");
}

function rowOf({ scenario, variant, figures }: ScenarioResult): string[] {
  const cells = COLUMNS.map(([, cell]) => (figures === undefined ? "" : cell(figures)));
  return [scenario, variant, ...cells];
}

function aimTable(results: readonly ScenarioResult[]): string {
  const rows = aimOutcomes(results).map(({ aim, measured, isMet }) => [
    aim,
    measured,
    isMet ? "met" : "missed",
  ]);
  return rows.length === 0 ? "" : table([["aim", "measured", ""], ...rows]);
}

/** Where the edge spent its time in the window that the table shows. */
function profileOf({ scenario, variant, figures }: ScenarioResult): string {
  const file = figures?.profileFile;
  if (file === undefined) return "";
  const tops = topSelfTimes(readProfile(file), TOP_FUNCTIONS);
  const lines = tops.map(({ name, share }) => `${(share * 100).toFixed(1).padStart(6)} %  ${name}`);
  return [`${scenario} (${variant}): self time of the edge, ${relative(".", file)}`, ...lines].join(
    "\n",
  );
}

function remarksOf({ scenario, variant, more, notes }: ScenarioResult): string[] {
  const numbers = Object.entries(more).map(([name, value]) => `${name} ${round(value)}`);
  return [numbers.join(", "), ...notes]
    .filter((text) => text !== "")
    .map((text) => `${scenario} (${variant}): ${text}`);
}

/** What another environment makes of the same scenario in the same run. */
function ratioOf(result: ScenarioResult, all: readonly ScenarioResult[]): string[] {
  const plain = all.find(({ scenario }) => scenario === result.scenario);
  if (plain === undefined || plain === result) return [];
  const { figures } = result;
  if (figures === undefined || plain.figures === undefined) return [];
  const cost = figures.cpuUsPerDelivery / plain.figures.cpuUsPerDelivery;
  const p50 = figures.p50Ms / plain.figures.p50Ms;
  const p99 = figures.p99Ms / plain.figures.p99Ms;
  const ratios = `CPU per delivery × ${cost.toFixed(2)}, p50 × ${p50.toFixed(2)}, p99 × ${p99.toFixed(2)}`;
  return [`${result.scenario}: ${result.variant} against ${plain.variant}: ${ratios}`];
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return rows.map(line).join("\n");
}

function whole(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en") : "–";
}

function tenths(value: number): string {
  return Number.isFinite(value) ? value.toFixed(1) : "–";
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function round(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(2);
}
