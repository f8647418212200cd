import { parse } from "yaml";
import { EDGE_METRICS } from "../../services/edge/src/metrics.ts";
import type { Finding } from "./finding.ts";
import { metricsIn, unknownMetrics } from "./known-metrics.ts";
import type { Project } from "./project.ts";

/** Of one edge after the other: nothing that an edge measures is missing there. */
const EDGE = "infra/grafana/edge.json";

/** Of all together. */
const FLEET = "infra/grafana/fleet.json";

const RECORDING = "infra/prometheus/recording-rules.yaml";

interface RecordingRules {
  readonly groups?: readonly { readonly rules: readonly { readonly record?: string }[] }[];
}

/**
 * Dashboards, metrics and recording rules agree: a query names only what some page or rule has, and there
 * is no metric of the edge that nobody looks at.
 */
export function dashboards(project: Project): Finding[] {
  return [EDGE, FLEET].flatMap((file) => {
    const text = project.files.get(file);
    if (text === undefined) return [{ file, message: "is missing" }];
    const queries = queriesIn(JSON.parse(text));
    const messages = [
      ...queries.flatMap((query) => unknownMetrics(query)).map(onNoPage),
      ...queries.flatMap((query) => unknownRecords(project, query)).map(byNoRule),
      ...(file === EDGE ? unseenIn(queries) : []),
    ];
    return [...new Set(messages)].map((message) => ({ file, message }));
  });
}

function onNoPage(name: string): string {
  return `no page of an edge has "${name}"`;
}

function byNoRule(name: string): string {
  return `no rule records "${name}"`;
}

function unknownRecords(project: Project, query: string): string[] {
  const { groups = [] } = (parse(project.files.get(RECORDING) ?? "") ?? {}) as RecordingRules;
  const records = new Set(groups.flatMap(({ rules }) => rules).map(({ record }) => record));
  return (query.match(/\bmillrace:[\w:]+/g) ?? []).filter((name) => !records.has(name));
}

function unseenIn(queries: readonly string[]): string[] {
  const shown = new Set(queries.flatMap((query) => metricsIn(query)));
  return Object.values(EDGE_METRICS)
    .filter(({ name }) => !shown.has(name))
    .map(({ name }) => `shows nothing of "${name}"`);
}

/** Every `expr` of a panel and `query` of a variable, wherever it stands. */
function queriesIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    typeof inner === "string" && (key === "expr" || key === "query") ? [inner] : queriesIn(inner),
  );
}
