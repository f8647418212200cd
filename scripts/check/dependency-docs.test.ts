import { expect, test } from "vitest";
import { dependencyDocs } from "./dependency-docs.ts";
import { projectOf } from "./project.ts";

const docs = "| package | used for |\n| --- | --- |\n| `pino` | log lines |\n| `ws` | sockets |\n";

function messages(dependencies: Record<string, string>): string[] {
  const manifest = JSON.stringify({ dependencies });
  const files = { "packages/a/package.json": manifest, "docs/decisions/dependencies.md": docs };
  return dependencyDocs(projectOf(files)).map(({ message }) => message);
}

test("a dependency without a line, and a line without its dependency, are named", () => {
  expect(messages({ pino: "10.4.0", lodash: "4.17.21" })).toEqual([
    'no line in docs/decisions/dependencies.md says why "lodash" is used',
    'explains "ws", which no package.json names',
  ]);
});

test("a range of versions is named", () => {
  expect(messages({ pino: "^10.4.0", ws: "8.23.0" })).toEqual([
    '"pino": "^10.4.0" is no exact version',
  ]);
});

test("exact versions, aliases and the project's own packages pass", () => {
  const own = { "@millrace/schemas": "0.1.0" };
  expect(messages({ pino: "10.4.0", ws: "npm:ws-fork@8.23.0", ...own })).toEqual([]);
});
