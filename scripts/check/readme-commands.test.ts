import { expect, test } from "vitest";
import { projectOf } from "./project.ts";
import { readmeCommands } from "./readme-commands.ts";

function messages(text: string): string[] {
  const manifest = JSON.stringify({ scripts: { start: "", token: "" } });
  const files = { "package.json": manifest, "README.md": text };
  return readmeCommands(projectOf(files)).map(({ message }) => message);
}

test("a command that package.json does not have is named", () => {
  expect(messages("`npm run bench` and\n`npm test`")).toEqual([
    'package.json has no script "bench"',
    'package.json has no script "test"',
  ]);
});

test("commands that exist pass, and so do those marked as open", () => {
  expect(messages("`npm start -- --fresh`, `npm run -s token -- alice`")).toEqual([]);
  expect(messages("`npm run soak` (not yet)")).toEqual([]);
});
