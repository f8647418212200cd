import { pageNames } from "../../services/edge/src/watch/process-gauges.ts";

/** As the pages spell metrics of ours, of the process and of Node. */
const METRIC = /\b(?:millrace|process|nodejs)_[a-z0-9_]+/g;

/** The series of a histogram, which its own name never is. */
const SERIES = /_(?:bucket|sum|count)$/;

/** What rules and dashboards use of control's page; of an edge's page the code itself tells. */
const CONTROL_METRICS = [
  "millrace_control_certificate_expires_seconds",
  "millrace_control_certificate_probe_up",
  "millrace_control_partitions_leaderless",
  "millrace_control_partitions_under_replicated",
  "millrace_control_topic_problems",
];

/** Edges get it with the report to operators: seconds between a tail and its log's end. */
const TAIL_LAG = "millrace_tail_lag_seconds";

/** The metrics of an expression, a histogram by its own name, each once. */
export function metricsIn(expression: string, known = knownMetrics()): string[] {
  const named = expression.match(METRIC) ?? [];
  return [...new Set(named.map((name) => (known.has(name) ? name : name.replace(SERIES, ""))))];
}

/** Those of an expression that no page has. */
export function unknownMetrics(expression: string): string[] {
  const known = knownMetrics();
  return metricsIn(expression, known).filter((name) => !known.has(name));
}

let names: ReadonlySet<string> | undefined;

function knownMetrics(): ReadonlySet<string> {
  names ??= new Set([...pageNames(), ...CONTROL_METRICS, TAIL_LAG]);
  return names;
}
