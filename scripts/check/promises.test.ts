import { expect, test } from "vitest";
import { projectOf } from "./project.ts";
import { promises } from "./promises.ts";

const architecture =
  "## 4. Promises\n\n1. **Order.** In log order.\n2. **No gap.** None.\n\n## 5. X\n";
const tests = 'import { test } from "vitest";\ntest("messages arrive in order", f);\n';

function messages(...rows: string[]): string[] {
  const table = ["| # | promise | proven by |", "| --- | --- | --- |", ...rows].join("\n");
  const files = {
    "README.md": `# Millrace\n\n## Promises\n\n${table}\n\n## Links\n`,
    "docs/architecture.md": architecture,
    "a.test.ts": tests,
  };
  return promises(projectOf(files)).map(({ message }) => message);
}

const second = "| 2 | **No gap.** None. | not yet |";

test("a promise with a test of that title, or an open one, passes", () => {
  expect(messages("| 1 | **Order.** As told. | messages arrive in order |", second)).toEqual([]);
});

test("a promise whose test does not exist is named, also beside one that does", () => {
  const row = "| 1 | **Order.** As told. | messages arrive in order<br>nothing is lost |";
  expect(messages(row, second)).toEqual(['promise 1: no test "nothing is lost"']);
});

test("an empty proof is no proof", () => {
  expect(messages("| 1 | **Order.** As told. | |", second)).toEqual(['promise 1: no test ""']);
});

test("a promise without a row, and a row that is no promise, are named", () => {
  expect(messages("| 3 | **Speed.** Fast. | not yet |", second)).toEqual([
    "promise 3 is not docs/architecture.md's",
    "promise 1 has no row",
  ]);
});

test("a promise under another name than the architecture's is named", () => {
  expect(messages("| 1 | **Sequence.** As told. | not yet |", second)).toEqual([
    "promise 1 is not docs/architecture.md's",
  ]);
});
