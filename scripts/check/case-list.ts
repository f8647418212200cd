import type { Finding } from "./finding.ts";
import type { Project } from "./project.ts";
import { tableRows } from "./markdown-table.ts";
import { type TestTitle, looseTags, testTitles } from "./test-titles.ts";

const FILE = "docs/cases.md";

interface CaseRow {
  readonly id: string;
  readonly promise: string;
  /** The tests' files, or "not yet …", or "does not apply: …". */
  readonly state: string;
}

/**
 * docs/cases.md and the tests agree: a test tagged with a case bears its promise word for word and
 * stands in its row; a row that names a file has such a test there; what has none says so.
 */
export function caseList(project: Project): Finding[] {
  const text = project.files.get(FILE);
  if (text === undefined) return [{ file: FILE, message: "is missing" }];
  const rows = caseRows(text);
  const tagged = testTitles(project).filter(({ caseId }) => caseId !== undefined);
  return [
    ...looseTags(project).map(({ file, line, caseId }) => ({
      file,
      line,
      message: `no test stands under the tag ${caseId}`,
    })),
    ...tagged.flatMap((test) => findingsOfTest(test, rows)),
    ...rows.flatMap((row) => findingsOfRow(row, tagged)),
  ];
}

/** The list with the files of the tagged tests in their rows; what nobody tags is "not yet". */
export function withTests(project: Project): string {
  const tagged = testTitles(project).filter(({ caseId }) => caseId !== undefined);
  const lines = (project.files.get(FILE) ?? "").split("\n");
  return lines.map((line) => withTestsInRow(line, tagged)).join("\n");
}

function withTestsInRow(line: string, tagged: readonly TestTitle[]): string {
  const [, id = "", promise = "", state = ""] =
    /^\| *(C-\d{3}) *\|(.*?)\|(.*)\| *$/.exec(line)?.map((cell) => cell.trim()) ?? [];
  if (id === "") return line;
  const tests = tagged.filter(({ caseId }) => caseId === id);
  const files = [...new Set(tests.map(({ file }) => `\`${file}\``))].join(", ");
  const isKept = files === "" && !state.startsWith("`");
  return `| ${id} | ${promise} | ${isKept ? state : files || "not yet"} |`;
}

function caseRows(text: string): CaseRow[] {
  const sections = text.split(/^## /m);
  return sections.flatMap((section) =>
    tableRows(section).map(([id = "", promise = "", state = ""]) => ({ id, promise, state })),
  );
}

function findingsOfTest(test: TestTitle, rows: readonly CaseRow[]): Finding[] {
  const { file, line, caseId, title } = test;
  const row = rows.find(({ id }) => id === caseId);
  if (row === undefined) return [{ file, line, message: `${caseId} is not in ${FILE}` }];
  if (title !== row.promise) {
    return [{ file, line, message: `${caseId} promises "${row.promise}", the test "${title}"` }];
  }
  if (row.state.includes(`\`${file}\``)) return [];
  return [{ file: FILE, message: `the row of ${caseId} does not name \`${file}\`` }];
}

function findingsOfRow({ id, state }: CaseRow, tagged: readonly TestTitle[]): Finding[] {
  const files = [...state.matchAll(/`([^`]+\.ts)`/g)].map((match) => match[1] ?? "");
  const tests = tagged.filter(({ caseId }) => caseId === id);
  const gone = files.filter((file) => !tests.some((test) => test.file === file));
  const findings = gone.map((file) => `${id} names \`${file}\`, where no test is tagged with it`);
  if (files.length === 0 && !/^(not yet|does not apply: \S)/.test(state)) {
    findings.push(`${id} says neither its test nor "not yet" nor "does not apply: why"`);
  }
  return findings.map((message) => ({ file: FILE, message }));
}
