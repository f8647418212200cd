import { expect, test } from "vitest";
import { docsLinks } from "./docs-links.ts";
import { projectOf } from "./project.ts";

test("a link that leads nowhere is named with its line", () => {
  const files = { "docs/a.md": "# A\n[b](b.md), [c](../schemas), [d](../d.md#x)", "docs/b.md": "" };
  const project = projectOf({ ...files, "schemas/src/text.ts": "" });
  expect(docsLinks(project)).toEqual([
    { file: "docs/a.md", line: 2, message: '"../d.md" leads nowhere' },
  ]);
});

test("links to the web and within the page are not looked up", () => {
  const text = "[a](https://example.org/a.md) [b](#b) [c](mailto:a@example.org)";
  expect(docsLinks(projectOf({ "README.md": text }))).toEqual([]);
});
