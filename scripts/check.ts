import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROMETHEUS_RULE, prometheusRuleText } from "./check/alert-rules.ts";
import { withTests } from "./check/case-list.ts";
import { staticChecks, unitTests } from "./check/checks.ts";
import { withSections } from "./check/generated-section.ts";
import { generatedSections } from "./check/generated-sections.ts";
import { OPENAPI_FILE, openapiText } from "./check/openapi-docs.ts";
import { readProject } from "./check/project.ts";
import { runCommand } from "./check/run-command.ts";
import { formatFindings, formatReport, runChecks } from "./check/run-checks.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

const USAGE = `npm run check [-- --write]

Format, lint, types, unused code, unit tests and the house rules, without a broker.
  --write   first formats all files and puts the tables that the code writes into the docs, and
            the rules of Prometheus into the Kubernetes manifest`;

async function write(): Promise<void> {
  const project = readProject(ROOT);
  const { files } = project;
  writeFileSync(join(ROOT, "docs/cases.md"), withTests(project));
  const sections = generatedSections();
  for (const file of new Set(sections.map((section) => section.file))) {
    const own = sections.filter((section) => section.file === file);
    writeFileSync(join(ROOT, file), withSections(files.get(file) ?? "", own));
  }
  writeFileSync(join(ROOT, OPENAPI_FILE), openapiText());
  mkdirSync(join(ROOT, dirname(PROMETHEUS_RULE)), { recursive: true });
  writeFileSync(join(ROOT, PROMETHEUS_RULE), prometheusRuleText(project));
  await runCommand("oxfmt", ["."], ROOT);
}

async function check(): Promise<void> {
  const reports = await runChecks([unitTests(ROOT), ...staticChecks(ROOT)], {
    atOnce: availableParallelism(),
    onReport: (report) => console.log(formatReport(report)),
  });
  const failed = reports.filter(({ findings }) => findings.length > 0);
  if (failed.length > 0) {
    console.log(`\n${formatFindings(reports)}`);
    console.log(`${failed.length} of ${reports.length} checks failed`);
    process.exitCode = 1;
  }
}

const args = process.argv.slice(2);
if (args.includes("--help")) {
  console.log(USAGE);
} else if (args.some((arg) => arg !== "--write")) {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  if (args.includes("--write")) await write();
  await check();
}
