import { expect, test } from "vitest";
import { projectOf } from "./project.ts";
import { looseTags, testTitles } from "./test-titles.ts";

function titlesOf(body: string): (readonly [string, string | undefined])[] {
  const text = `import { test } from "vitest";\n${body}`;
  return testTitles(projectOf({ "a.test.ts": text })).map(({ title, caseId }) => [title, caseId]);
}

test("titles are found in any quotes, behind modifiers and on a line of their own", () => {
  const body = [
    'test("it\'s one", () => {});',
    "it('is \\'two\\'', () => {});",
    "test.skipIf(process.platform === `win32`)(`three`, () => {});",
    'test.each([[1, "x"], [(2), "y"]])("four", () => {});',
    'describe(\n  "five",\n  () => {},\n);',
  ];
  expect(titlesOf(body.join("\n")).map(([title]) => title)).toEqual([
    "it's one",
    "is 'two'",
    "three",
    "four",
    "five",
  ]);
});

test("a case tag belongs to the test directly below its comment", () => {
  const body = '// C-019\n// Its socket stays full.\ntest("a", f);\n\ntest("b", f); // C-020';
  expect(titlesOf(body)).toEqual([
    ["a", "C-019"],
    ["b", undefined],
  ]);
});

test("a tag with something between it and the test is loose", () => {
  const text = '// C-019\nconst a = 1;\ntest("a", f);\n';
  expect(looseTags(projectOf({ "a.test.ts": text }))).toEqual([
    { file: "a.test.ts", line: 1, caseId: "C-019" },
  ]);
});

test("a regular expression's test is no test", () => {
  expect(titlesOf("if (/a/.test(text)) run();")).toEqual([]);
});
