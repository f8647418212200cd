import type { EdgeReport } from "@millrace/schemas";
import { type JsonShape, missingField } from "../json-shape.ts";

/** What the views are made of. Whatever else a report says is stepped over. */
const FIELDS: JsonShape = {
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

const PARTITION_FIELDS: JsonShape = {
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
