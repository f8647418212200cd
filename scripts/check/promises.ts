import type { Finding } from "./finding.ts";
import { sectionUnder, tableRows } from "./markdown-table.ts";
import type { Project } from "./project.ts";
import { lineAt } from "./source-files.ts";
import { testTitles } from "./test-titles.ts";

const README = "README.md";
const ARCHITECTURE = "docs/architecture.md";

/**
 * The promises table of the README: every promise of the architecture has its row, under the same
 * number and name, and each row's last column holds titles of tests that exist, or "not yet".
 */
export function promises(project: Project): Finding[] {
  const readme = project.files.get(README) ?? "";
  const rows = tableRows(sectionUnder(readme, "Promises"));
  const promised = namesIn(sectionUnder(project.files.get(ARCHITECTURE) ?? "", "Promises"));
  const titles = new Set(testTitles(project).map(({ title }) => title));
  const rowFindings = rows.flatMap(([number = "", promise = "", proof = ""]) => [
    ...(isPromised(promised, number, promise)
      ? []
      : [`promise ${number} is not ${ARCHITECTURE}'s`]),
    ...missingTests(proof, titles).map((title) => `promise ${number}: no test "${title}"`),
  ]);
  const numbers = new Set(rows.map(([number]) => number));
  const absent = [...promised.keys()].filter((number) => !numbers.has(number));
  const messages = [...rowFindings, ...absent.map((number) => `promise ${number} has no row`)];
  if (promised.size === 0) messages.push(`${ARCHITECTURE} has no list of promises`);
  const line = lineAt(readme, Math.max(0, readme.indexOf("## Promises")));
  return messages.map((message) => ({ file: README, line, message }));
}

/** `1. **Order.** …` → "1" → "Order." */
function namesIn(list: string): Map<string, string> {
  return new Map(
    [...list.matchAll(/^(\d+)\. \*\*(.+?)\*\*/gm)].map((match) => [match[1] ?? "", match[2] ?? ""]),
  );
}

function isPromised(promised: Map<string, string>, number: string, promise: string): boolean {
  const name = promised.get(number);
  return name !== undefined && promise.startsWith(`**${name}**`);
}

function missingTests(proof: string, titles: ReadonlySet<string>): string[] {
  const entries = proof.split("<br>").map((entry) => entry.trim());
  return entries.filter((entry) => !/^not yet\b/.test(entry) && !titles.has(entry));
}
