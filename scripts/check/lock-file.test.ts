import { expect, test } from "vitest";
import { lockFile } from "./lock-file.ts";
import { projectOf } from "./project.ts";

function messages(packages: Record<string, object>): string[] {
  const text = JSON.stringify({ packages });
  return lockFile(projectOf({ "package-lock.json": text })).map(({ message }) => message);
}

test("a package without a hash is named", () => {
  const packages = { "node_modules/uWebSockets.js": { version: "3.0.6" } };
  expect(messages(packages)).toEqual(["node_modules/uWebSockets.js has no integrity hash"]);
});

test("an address that is not the public registry's is named by its host", () => {
  const resolved = "https://mirror.example.org/a/-/a-1.0.0.tgz";
  const packages = { "node_modules/a": { resolved, integrity: "sha512-x" } };
  expect(messages(packages)).toEqual(["node_modules/a is resolved from mirror.example.org"]);
});

test("workspaces, links and pinned packages pass", () => {
  const packages = {
    "": { name: "millrace" },
    schemas: { version: "0.1.0" },
    "node_modules/@millrace/schemas": { resolved: "schemas", link: true },
    "node_modules/a": { integrity: "sha512-x" },
  };
  expect(messages(packages)).toEqual([]);
});
