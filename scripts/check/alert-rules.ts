import { isDeepStrictEqual } from "node:util";
import { parse, stringify } from "yaml";
import type { Finding } from "./finding.ts";
import { unknownMetrics } from "./known-metrics.ts";
import type { Project } from "./project.ts";

export const PROMETHEUS_RULE = "k8s/base/monitoring/prometheus-rule.yaml";

const ALERTS = "infra/prometheus/alert-rules.yaml";
const RECORDING = "infra/prometheus/recording-rules.yaml";
const RUNBOOK = "docs/runbook.md";
const SEVERITIES = new Set(["page", "ticket"]);

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Group {
  readonly rules: readonly Rule[];
}

/**
 * Each alert says how grave it is, what users feel and where the runbook tells what to do, and the runbook
 * has a paragraph of each and of no other. Rules look at what is there. What Kubernetes gets is the same.
 */
export function alertRules(project: Project): Finding[] {
  const missing = [ALERTS, RECORDING, RUNBOOK].filter((file) => !project.files.has(file));
  if (missing.length > 0) return missing.map((file) => ({ file, message: "is missing" }));
  const alerts = rulesIn(project, ALERTS);
  return [
    ...alerts.flatMap((alert) => findingsOf(alert)),
    ...runbookFindings(project, alerts),
    ...[ALERTS, RECORDING].flatMap((file) => metricFindings(project, file)),
    ...kubernetesFindings(project),
  ];
}

/** The groups of both files as the Prometheus operator takes them. */
export function prometheusRuleText(project: Project): string {
  return `# What infra/prometheus says, put here by \`npm run check -- --write\`.\n${stringify({
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PrometheusRule",
    metadata: {
      name: "millrace",
      labels: { "app.kubernetes.io/name": "millrace", "app.kubernetes.io/part-of": "millrace" },
    },
    spec: { groups: [...groupsIn(project, RECORDING), ...groupsIn(project, ALERTS)] },
  })}`;
}

function groupsIn(project: Project, file: string): readonly Group[] {
  return (parse(project.files.get(file) ?? "") as { groups?: Group[] } | null)?.groups ?? [];
}

function rulesIn(project: Project, file: string): readonly Rule[] {
  return groupsIn(project, file).flatMap(({ rules }) => rules);
}

function findingsOf(rule: Rule): Finding[] {
  const { alert = "a rule without a name", labels = {}, annotations = {} } = rule;
  const wrong: (string | false)[] = [
    !SEVERITIES.has(labels["severity"] ?? "") && "is neither a page nor a ticket",
    rule.for === undefined && "does not say for how long",
    !annotations["summary"] && "has no summary",
    !annotations["description"] && "does not describe what users feel",
    annotations["runbook_url"] !== linkTo(alert) && `does not link to ${linkTo(alert)}`,
  ];
  return wrong
    .filter((what) => what !== false)
    .map((what) => ({ file: ALERTS, message: `${alert} ${what}` }));
}

/** As the anchors of headings are written. */
function linkTo(alert: string): string {
  return `${RUNBOOK}#${alert.toLowerCase()}`;
}

function runbookFindings(project: Project, alerts: readonly Rule[]): Finding[] {
  const names = new Set(alerts.map(({ alert = "" }) => alert));
  const headings = [...(project.files.get(RUNBOOK) ?? "").matchAll(/^### (Millrace\w+)$/gm)];
  const told = new Set(headings.map((match) => match[1] ?? ""));
  return [
    ...[...names].filter((name) => !told.has(name)).map((name) => `has no paragraph of ${name}`),
    ...[...told].filter((name) => !names.has(name)).map((name) => `${name} is no alert`),
  ].map((message) => ({ file: RUNBOOK, message }));
}

function metricFindings(project: Project, file: string): Finding[] {
  const records = new Set(rulesIn(project, RECORDING).map(({ record = "" }) => record));
  return rulesIn(project, file).flatMap(({ expr, alert, record }) => {
    const unrecorded = (expr.match(/\bmillrace:[\w:]+/g) ?? []).filter(
      (name) => !records.has(name),
    );
    return [...unknownMetrics(expr), ...unrecorded].map((name) => ({
      file,
      message: `${alert ?? record} looks at "${name}", which is nowhere`,
    }));
  });
}

function kubernetesFindings(project: Project): Finding[] {
  const written = project.files.get(PROMETHEUS_RULE);
  if (written === undefined) return [{ file: PROMETHEUS_RULE, message: "is missing" }];
  if (isDeepStrictEqual(parse(written), parse(prometheusRuleText(project)))) return [];
  const message = "differs from infra/prometheus; `npm run check -- --write` puts it in place";
  return [{ file: PROMETHEUS_RULE, message }];
}
