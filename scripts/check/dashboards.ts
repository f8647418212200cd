import { EDGE_METRICS } from "../../services/edge/src/metrics.ts";
import { pageNames } from "../../services/edge/src/watch/process-gauges.ts";
import type { Finding } from "./finding.ts";
import type { Project } from "./project.ts";

const DASHBOARD = "infra/grafana/edge.json";

/** As the page spells metrics of ours, of the process and of Node. */
const METRIC = /\b(?:millrace|process|nodejs)_[a-z0-9_]+/g;

/** The series of a histogram, which its own name never is. */
const SERIES = /_(?:bucket|sum|count)$/;

/**
 * The dashboard and the edge's metrics agree: a query names only what the page has, and there is no
 * metric of ours that nobody looks at.
 */
export function dashboards(project: Project): Finding[] {
  const text = project.files.get(DASHBOARD);
  if (text === undefined) return [{ file: DASHBOARD, message: "is missing" }];
  const named = new Set(queriesIn(JSON.parse(text)).flatMap((query) => query.match(METRIC) ?? []));
  const known = new Set(pageNames());
  const unknown = [...named].filter(
    (name) => !known.has(name) && !known.has(name.replace(SERIES, "")),
  );
  const shown = new Set(
    [...named].map((name) => (known.has(name) ? name : name.replace(SERIES, ""))),
  );
  const unseen = Object.values(EDGE_METRICS).filter(({ name }) => !shown.has(name));
  return [
    ...unknown.map((name) => ({ file: DASHBOARD, message: `no page of an edge has "${name}"` })),
    ...unseen.map(({ name }) => ({ file: DASHBOARD, message: `shows nothing of "${name}"` })),
  ];
}

/** Every `expr` of a panel and `query` of a variable, wherever it stands. */
function queriesIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    typeof inner === "string" && (key === "expr" || key === "query") ? [inner] : queriesIn(inner),
  );
}
