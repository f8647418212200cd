import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import type { Situation } from "./rule-case.ts";

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
}

interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
}

const RULE_FILES = ["recording-rules.yaml", "alert-rules.yaml"].map((name) =>
  fileURLToPath(new URL(`../../infra/prometheus/${name}`, import.meta.url)),
);

/** A question to Prometheus once the rules have seen the series, and what the answer must be. */
export interface Question extends Situation {
  readonly expression: string;
  /** Series of the answer, as PromQL writes them, with their values. */
  readonly answer: Readonly<Record<string, number>>;
}

/** As often as pages are scraped, and the groups that count on it evaluated. */
const INTERVAL = "30s";

export function hasPromtool(): boolean {
  try {
    execFileSync("promtool", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    // Not on the PATH.
    return false;
  }
}

/** What promtool says against the rules as they are written; nothing when all is well. */
export function checkRules(): Promise<string> {
  return promtool(["check", "rules", ...RULE_FILES]);
}

/** What promtool says against expressions as such; nothing when Prometheus can evaluate them all. */
export async function checkExpressions(expressions: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "millrace-rules-"));
  try {
    const file = join(folder, "rules.yaml");
    const rules = expressions.map((expr, number) => ({ record: `query_${number}`, expr }));
    writeFileSync(file, JSON.stringify({ groups: [{ name: "queries", rules }] }));
    return await promtool(["check", "rules", file]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function alertNames(): string[] {
  return groups()
    .flatMap(({ rules }) => rules)
    .flatMap(({ alert }) => (alert === undefined ? [] : [alert]));
}

/**
 * What promtool says against the answers; nothing when they are as they must be. Every rule is evaluated
 * at every step, which takes its time: where the questions are about one rule, only those it needs are.
 */
export async function ask(questions: readonly Question[], rule?: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "millrace-rules-"));
  try {
    const rules = join(folder, "rules.yaml");
    writeFileSync(rules, JSON.stringify({ groups: rule === undefined ? groups() : needed(rule) }));
    const files = questions.map((question, number) => {
      const file = join(folder, `test-${number}.yaml`);
      writeFileSync(file, testFile(rules, question));
      return file;
    });
    return await promtool(["test", "rules", ...files]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function groups(): RuleFile["groups"] {
  return RULE_FILES.flatMap((file) => (parse(readFileSync(file, "utf8")) as RuleFile).groups);
}

/** The rule, and what was recorded for it, directly or for another record. */
function needed(name: string): RuleFile["groups"] {
  const rules = groups().flatMap((group) => group.rules);
  const names = new Set([name]);
  const expressions = (): string =>
    rules.flatMap((rule) => (names.has(nameOf(rule)) ? [rule.expr] : [])).join();
  for (let known = 0; known < names.size;) {
    known = names.size;
    const text = expressions();
    for (const { record } of rules) {
      if (record !== undefined && text.includes(record)) names.add(record);
    }
  }
  const isNeeded = (rule: Rule): boolean => names.has(nameOf(rule));
  return groups()
    .map((group) => ({ ...group, rules: group.rules.filter(isNeeded) }))
    .filter((group) => group.rules.length > 0);
}

function nameOf({ record, alert }: Rule): string {
  return record ?? alert ?? "";
}

/** JSON is YAML. */
function testFile(rules: string, question: Question): string {
  const { series, at, step = INTERVAL, expression, answer } = question;
  const samples = Object.entries(answer).map(([labels, value]) => ({ labels, value }));
  const asked = { expr: expression, eval_time: at, exp_samples: samples };
  const scraped = Object.entries(series).map(([name, values]) => ({ series: name, values }));
  return JSON.stringify({
    rule_files: [rules],
    // By chance otherwise; what is recorded comes before what looks at it.
    group_eval_order: groups().map(({ name }) => name),
    evaluation_interval: step,
    tests: [{ interval: INTERVAL, input_series: scraped, promql_expr_test: [asked] }],
  });
}

function promtool(args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile("promtool", args, (error, stdout, stderr) => {
      resolve(error === null ? "" : `${stdout}${stderr}`);
    });
  });
}
