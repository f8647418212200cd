import { expect, test } from "vitest";
import { caseList, withTests } from "./case-list.ts";
import { projectOf } from "./project.ts";

const testFile = 'import { test } from "vitest";\n// C-001\ntest("Messages stay in order", f);\n';

function messages(state: string, text = testFile, id = "C-001"): string[] {
  const table = `| id | promise | test |\n| --- | --- | --- |\n| ${id} | Messages stay in order | ${state} |`;
  const files = { "docs/cases.md": `# Cases\n\n## Order\n\n${table}\n`, "a.test.ts": text };
  return caseList(projectOf(files)).map(({ message }) => message);
}

test("a case whose test bears its promise and stands in its row passes", () => {
  expect(messages("`a.test.ts`")).toEqual([]);
});

test("a title that is not the promise word for word is named", () => {
  const text = testFile.replace("in order", "in the order");
  expect(messages("`a.test.ts`", text)).toEqual([
    'C-001 promises "Messages stay in order", the test "Messages stay in the order"',
  ]);
});

test("a test of a case that the list does not have is named", () => {
  expect(messages("not yet", testFile, "C-002")).toEqual(["C-001 is not in docs/cases.md"]);
});

test("a row that does not say where its test is, is named", () => {
  expect(messages("not yet")).toEqual(["the row of C-001 does not name `a.test.ts`"]);
});

test("a row that names a test which is not there is named", () => {
  expect(messages("`a.test.ts`, `b.test.ts`")).toEqual([
    "C-001 names `b.test.ts`, where no test is tagged with it",
  ]);
});

test("a row that says nothing is named, and an honest one passes", () => {
  expect(messages("", "")).toHaveLength(1);
  expect(messages("does not apply:", "")).toHaveLength(1);
  expect(messages("not yet", "")).toEqual([]);
  expect(messages("does not apply: there is no relay", "")).toEqual([]);
});

test("a tag without a test is named", () => {
  expect(messages("not yet", "// C-001\nconst a = 1;")).toEqual([
    "no test stands under the tag C-001",
  ]);
});

test("writing puts each tagged test's file into its row, and keeps what is said of the others", () => {
  const table = [
    "| id | promise | test |",
    "| --- | --- | --- |",
    "| C-001 | Messages stay in order | not yet |",
    "| C-002 | Nothing is lost | `gone.test.ts` |",
    "| C-003 | Nobody waits | does not apply: no queue |",
  ].join("\n");
  expect(withTests(projectOf({ "docs/cases.md": table, "a.test.ts": testFile }))).toBe(
    table
      .replace("in order | not yet", "in order | `a.test.ts`")
      .replace("`gone.test.ts`", "not yet"),
  );
});
