import { metricRows } from "../../services/edge/src/metrics.ts";
import type { GeneratedSection } from "./generated-section.ts";
import { renderTable } from "./markdown-table.ts";

/** The table of docs/operations.md, as the edge's metrics have it. */
export function metricSections(): GeneratedSection[] {
  const [header = [], ...rows] = metricRows();
  const content = renderTable(header, rows);
  return [{ file: "docs/operations.md", name: "edge-metrics", content }];
}
