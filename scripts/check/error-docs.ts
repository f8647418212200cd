import { CLOSES, ERRORS, REFUSALS } from "../../schemas/src/error-table.ts";
import type { GeneratedSection } from "./generated-section.ts";
import { renderTable } from "./markdown-table.ts";

const FILE = "docs/errors.md";

/** The tables of docs/errors.md, as the error table in the code has them. */
export function errorSections(): GeneratedSection[] {
  return [
    { file: FILE, name: "errors", content: errorsTable() },
    { file: FILE, name: "closes", content: closesTable() },
    { file: FILE, name: "refusals", content: refusalsTable() },
  ];
}

function errorsTable(): string {
  const header = ["code", "meaning", "who must act", "retry", "over HTTP"];
  const rows = Object.entries(ERRORS).map(([code, entry]) => [
    `\`${code}\``,
    entry.meaning,
    entry.actor,
    entry.retry ? "yes" : "no",
    String(entry.httpStatus),
  ]);
  return renderTable(header, rows);
}

function closesTable(): string {
  const header = ["code", "reason", "client's action"];
  const rows = Object.entries(CLOSES).map(([code, { name, next }]) => [code, name, next]);
  return renderTable(header, rows);
}

function refusalsTable(): string {
  const header = ["status", "error", "client's action"];
  const rows = Object.entries(REFUSALS).map(([status, { name, next }]) => [
    status,
    `\`${name}\``,
    next,
  ]);
  return renderTable(header, rows);
}
