import { optionRows } from "../../packages/runtime/src/options.ts";
import { EDGE_OPTIONS, EDGE_PREFIX } from "../../services/edge/src/config.ts";
import type { GeneratedSection } from "./generated-section.ts";
import { renderTable } from "./markdown-table.ts";

/** The table of docs/operations.md, as the edge's config has it. */
export function optionSections(): GeneratedSection[] {
  const [header = [], ...rows] = optionRows(EDGE_OPTIONS, EDGE_PREFIX);
  const content = renderTable(header, rows);
  return [{ file: "docs/operations.md", name: "edge-options", content }];
}
