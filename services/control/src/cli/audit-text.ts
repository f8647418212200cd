import type { AuditView } from "../api/views.ts";
import { instant } from "./amounts.ts";
import type { Tone } from "./paint.ts";
import { type Column, type Layout, table } from "./table.ts";

const COLUMNS: readonly Column<AuditView>[] = [
  { title: "WHEN", text: ({ atMs }) => instant(atMs) },
  { title: "WHO", text: ({ operator }) => operator },
  { title: "FROM", text: ({ address }) => address, spare: 2 },
  { title: "WHAT", text: whatOf },
  { title: "OUTCOME", text: outcomeOf, tone: outcomeTone },
  { title: "ID", text: ({ id }) => id, spare: 3 },
];

export function auditText(entries: readonly AuditView[], layout: Layout): string {
  if (entries.length === 0) return "Nobody has changed anything yet.";
  return table(COLUMNS, entries, layout);
}

function whatOf({ action, parameters }: AuditView): string {
  const given = Object.entries(parameters).map(([name, value]) => `${name}=${valueText(value)}`);
  return [action, ...given].join(" ");
}

function valueText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function outcomeOf({ status, outcome }: AuditView): string {
  if (status === null) return "unknown";
  return status < 400 ? "done" : `${status} ${outcome ?? ""}`.trim();
}

/** Begun, and nobody has said how it ended: somebody has to look. */
function outcomeTone({ status }: AuditView): Tone | undefined {
  if (status === null) return "warn";
  return status < 400 ? undefined : "bad";
}
