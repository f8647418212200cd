import { optionRows } from "../../packages/runtime/src/options.ts";
import { CONTROL_OPTIONS, CONTROL_PREFIX } from "../../services/control/src/config.ts";
import { EDGE_OPTIONS, EDGE_PREFIX } from "../../services/edge/src/config.ts";
import { TAP_OPTIONS, TAP_PREFIX } from "../../services/tap/src/config.ts";
import type { GeneratedSection } from "./generated-section.ts";
import { renderTable } from "./markdown-table.ts";

/** The tables of docs/operations.md, as each service's config has them. */
export function optionSections(): GeneratedSection[] {
  return [
    section("edge-options", optionRows(EDGE_OPTIONS, EDGE_PREFIX)),
    section("control-options", optionRows(CONTROL_OPTIONS, CONTROL_PREFIX)),
    section("tap-options", optionRows(TAP_OPTIONS, TAP_PREFIX)),
  ];
}

function section(name: string, [header = [], ...rows]: string[][]): GeneratedSection {
  return { file: "docs/operations.md", name, content: renderTable(header, rows) };
}
