import { expect, test } from "vitest";
import { type GeneratedSection, staleSections, withSections } from "./generated-section.ts";
import { renderTable } from "./markdown-table.ts";
import { projectOf } from "./project.ts";

const content = renderTable(
  ["code", "meaning"],
  [
    ["`a`", "one"],
    ["`b`", "two"],
  ],
);
const section: GeneratedSection = { file: "docs/errors.md", name: "errors", content };

function documentWith(table: string): string {
  return `# Errors\n\n<!-- generated: errors -->\n\n${table}\n\n<!-- end: errors -->\n\nThe end.\n`;
}

function messages(text: string): string[] {
  const project = projectOf({ "docs/errors.md": text });
  return staleSections(project, [section]).map(({ message }) => message);
}

test("a table that says what the code says passes, however it is padded", () => {
  const padded = "| code | meaning |\n| ---- | ------- |\n| `a`  | one     |\n| `b`  | two     |";
  expect(messages(documentWith(padded))).toEqual([]);
});

test("a row that only the docs have and one that only the code has are both named", () => {
  const [message = ""] = messages(documentWith(content.replace("`b` | two", "`c` | three")));
  expect(message).toContain("only in the docs: `c` | three");
  expect(message).toContain("only in the code: `b` | two");
});

test("a document without the markers, or no document, is named", () => {
  expect(messages("# Errors\n")).toEqual(['has no markers for "errors"']);
  expect(staleSections(projectOf({}), [section])).toEqual([
    { file: "docs/errors.md", message: "is missing" },
  ]);
});

test("writing puts the table between the markers and leaves the rest alone", () => {
  const written = withSections(documentWith("old"), [section]);
  expect(messages(written)).toEqual([]);
  expect(written).toMatch(/^# Errors\n/);
  expect(written).toContain("<!-- end: errors -->\n\nThe end.\n");
  expect(written).not.toContain("old");
});

test("a dollar sign in the content is itself", () => {
  const priced = { ...section, content: "costs $1 and $&" };
  expect(withSections(documentWith("old"), [priced])).toContain("costs $1 and $&");
});
