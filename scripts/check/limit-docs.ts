import { limitRows } from "../../services/edge/src/limit-table.ts";
import { LIMITS } from "../../services/edge/src/limits.ts";
import type { GeneratedSection } from "./generated-section.ts";
import { renderTable } from "./markdown-table.ts";

/** The table of docs/operations.md, as the edge's bounds are by default. */
export function limitSections(): GeneratedSection[] {
  const [header = [], ...rows] = limitRows(LIMITS);
  const content = renderTable(header, rows);
  return [{ file: "docs/operations.md", name: "edge-limits", content }];
}
