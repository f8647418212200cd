import { controlMetricRows } from "../../services/control/src/metrics.ts";
import { pageNames } from "../../services/edge/src/watch/process-gauges.ts";

/** As the pages spell metrics of ours, of the process and of Node. */
const METRIC = /\b(?:millrace|process|nodejs)_[a-z0-9_]+/g;

/** The series of a histogram, which its own name never is. */
const SERIES = /_(?:bucket|sum|count)$/;

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
  const control = controlMetricRows().map(([name = ""]) => name.replaceAll("`", ""));
  names ??= new Set([...pageNames(), ...control]);
  return names;
}
