import { controlMetricRows } from "../../services/control/src/metrics.ts";
import { metricRows } from "../../services/edge/src/metrics.ts";
import type { GeneratedSection } from "./generated-section.ts";
import { renderTable } from "./markdown-table.ts";

/** The tables of docs/operations.md, as the metrics of each service are in the code. */
export function metricSections(): GeneratedSection[] {
  return [section("edge-metrics", metricRows()), section("control-metrics", controlMetricRows())];
}

function section(name: string, [header = [], ...rows]: string[][]): GeneratedSection {
  return { file: "docs/operations.md", name, content: renderTable(header, rows) };
}
