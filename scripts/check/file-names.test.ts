import { expect, test } from "vitest";
import { fileNames } from "./file-names.ts";
import { projectOf } from "./project.ts";

function bad(...files: string[]): string[] {
  const project = projectOf(Object.fromEntries(files.map((file) => [file, ""])));
  return fileNames(project).map(({ file }) => file);
}

test("names that say nothing are refused, for files, folders and parts of a name", () => {
  const files = ["a/utils.ts", "helpers/a.ts", "a/hub-manager.ts", "a/base.ts", "a/hub.impl.ts"];
  expect(bad(...files)).toEqual(files);
});

test("names that are not kebab-case are refused", () => {
  const files = ["a/hubView.ts", "a/Hub.ts", "a/hub_view.ts", "MyFolder/a.ts"];
  expect(bad(...files)).toEqual(files);
});

test("domain nouns, test suffixes, dot files and customary names pass", () => {
  const files = [
    "services/edge/src/hub/told.ts",
    "packages/log/src/kafka/writer.fault.test.ts",
    "schemas/avro/message.v1.avsc",
    ".ci/run",
    ".oxlintrc.json",
    "README.md",
    "packages/log/README.md",
    "LICENSE",
    "packages/database/a.ts",
  ];
  expect(bad(...files)).toEqual([]);
});
