import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { alertRules } from "./alert-rules.ts";
import { projectOf } from "./project.ts";

const ALERTS = "infra/prometheus/alert-rules.yaml";
const RECORDING = "infra/prometheus/recording-rules.yaml";
const RUNBOOK = "docs/runbook.md";
const KUBERNETES = "k8s/base/monitoring/prometheus-rule.yaml";

const FILES = Object.fromEntries(
  [ALERTS, RECORDING, RUNBOOK, KUBERNETES].map((file) => [
    file,
    readFileSync(new URL(`../../${file}`, import.meta.url), "utf8"),
  ]),
);

/** What is found in one of the files once it says something else. */
function messagesAfter(file: string, from: string, to: string): string[] {
  const text = FILES[file] ?? "";
  expect(text).toContain(from);
  const project = projectOf({ ...FILES, [file]: text.replace(from, to) });
  return alertRules(project).map((finding) => `${finding.file}: ${finding.message}`);
}

const DRIFTED = `${KUBERNETES}: differs from infra/prometheus; \`npm run check -- --write\` puts it in place`;

it("The alerts have all that they must have", () => {
  expect(alertRules(projectOf(FILES))).toEqual([]);
});

it("An alert on a metric that no page has is found, and on a record that no rule makes", () => {
  expect(messagesAfter(ALERTS, "millrace_redis_up)", "millrace_redis_upp)")).toEqual([
    `${ALERTS}: MillraceRedisDown looks at "millrace_redis_upp", which is nowhere`,
    DRIFTED,
  ]);
  const bad = messagesAfter(RECORDING, "record: millrace:slo_bad:increase6h", "record: millrace:x");
  expect(bad[0]).toContain('looks at "millrace:slo_bad:increase6h", which is nowhere');
});

it("An alert without a severity or its link is found", () => {
  expect(messagesAfter(ALERTS, "{ severity: page }", "{ severity: high }")[0]).toContain(
    "is neither a page nor a ticket",
  );
  expect(messagesAfter(ALERTS, "#millracenoedge", "#noedge")[0]).toContain(
    "MillraceNoEdge does not link to docs/runbook.md#millracenoedge",
  );
});

it("An alert without its paragraph is found, and a paragraph without its alert", () => {
  expect(messagesAfter(RUNBOOK, "### MillraceNoEdge", "### MillraceNoEdges")).toEqual([
    `${RUNBOOK}: has no paragraph of MillraceNoEdge`,
    `${RUNBOOK}: MillraceNoEdges is no alert`,
  ]);
});

it("A manifest of Kubernetes that says something else is found", () => {
  expect(messagesAfter(KUBERNETES, "severity: page", "severity: ticket")).toEqual([DRIFTED]);
  expect(alertRules(projectOf({})).map(({ message }) => message)).toEqual(
    Array.from({ length: 3 }, () => "is missing"),
  );
});
