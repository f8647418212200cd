import type { Project } from "./project.ts";
import { isTestFile, lineAt, sourceFiles } from "./source-files.ts";

/** A test, or a group of tests, by its title. */
export interface TestTitle {
  readonly file: string;
  readonly line: number;
  readonly title: string;
  /** The case that stands in a comment line of its own directly above (`// C-019`). */
  readonly caseId: string | undefined;
}

// Modifiers first (`test.each(…)`, `it.runIf(…)`), then the title in any kind of quotes.
const TEST =
  /\b(?:test|it|describe)(?:\.\w+(?:\((?:[^()]|\([^()]*\))*\))?)*\(\s*("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`)/g;

const CASE_TAG = /^\s*\/\/ (C-\d{3})\s*$/;

/** The tests of the checks hold the sources of other tests as text, and prove no promise. */
const CHECKS = "scripts/check/";

export function testTitles(project: Project): TestTitle[] {
  return sourceFiles(project)
    .filter(({ path }) => !path.startsWith(CHECKS))
    .filter(({ path, text }) => isTestFile(path) && /from "vitest"/.test(text))
    .flatMap(({ path, text }) => titlesIn(path, text));
}

/** Case tags that no test stands under. */
export function looseTags(project: Project): { file: string; line: number; caseId: string }[] {
  return sourceFiles(project)
    .filter(({ path }) => isTestFile(path))
    .flatMap(({ path, text }) => {
      const used = new Set(titlesIn(path, text).flatMap(({ caseId }) => caseId ?? []));
      return text.split("\n").flatMap((line, index) => {
        const caseId = CASE_TAG.exec(line)?.[1];
        if (caseId === undefined || used.has(caseId)) return [];
        return [{ file: path, line: index + 1, caseId }];
      });
    });
}

function titlesIn(file: string, text: string): TestTitle[] {
  const lines = text.split("\n");
  return [...text.matchAll(TEST)].map((match) => {
    const line = lineAt(text, match.index);
    return { file, line, title: unquote(match[1] ?? ""), caseId: caseAbove(lines, line) };
  });
}

/** Looks through the comment that stands directly above a line. */
function caseAbove(lines: readonly string[], line: number): string | undefined {
  for (let index = line - 2; index >= 0; index--) {
    const above = lines[index] ?? "";
    if (!above.trim().startsWith("//")) return undefined;
    const caseId = CASE_TAG.exec(above)?.[1];
    if (caseId !== undefined) return caseId;
  }
  return undefined;
}

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\(.)/g, "$1");
}
