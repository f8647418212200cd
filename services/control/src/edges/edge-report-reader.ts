import type { EdgeReport } from "@millrace/schemas";

type Kind = "string" | "number" | "boolean" | "object" | "list";

/** What the views are made of. Whatever else a report says is stepped over. */
const FIELDS: Readonly<Record<string, Kind>> = {
  id: "string",
  pid: "number",
  version: "string",
  state: "string",
  isReady: "boolean",
  delivery: "string",
  startedAtMs: "number",
  weight: "number",
  connections: "number",
  connectionsMax: "number",
  subscriptions: "number",
  lagging: "number",
  bufferedBytes: "number",
  memoryShare: "number",
  isRedisUp: "boolean",
  rates: "object",
  topic: "object",
  partitions: "list",
};

const PARTITION_FIELDS: Readonly<Record<string, Kind>> = {
  partition: "number",
  isOwned: "boolean",
  isPaused: "boolean",
  mode: "string",
  lagMs: "number",
  stalledMs: "number",
  recordsPerSec: "number",
  subscribers: "number",
  hottest: "list",
};

/** The report, or what it lacks: an edge of an earlier build does not say all of it. */
export function readEdgeReport(
  json: unknown,
): { readonly report: EdgeReport } | { readonly lacks: string } {
  const missing = missingField(json, FIELDS);
  if (missing !== undefined) return { lacks: missing };
  const report = json as EdgeReport;
  for (const partition of report.partitions) {
    const lacks = missingField(partition, PARTITION_FIELDS);
    if (lacks !== undefined) return { lacks: `partitions[].${lacks}` };
  }
  return { report };
}

function missingField(json: unknown, fields: Readonly<Record<string, Kind>>): string | undefined {
  if (typeof json !== "object" || json === null) return "everything";
  const values = json as Readonly<Record<string, unknown>>;
  return Object.keys(fields).find((name) => !isOf(values[name], fields[name]));
}

function isOf(value: unknown, kind: Kind | undefined): boolean {
  if (kind === "list") return Array.isArray(value);
  if (kind === "object") return typeof value === "object" && value !== null;
  return typeof value === kind;
}
