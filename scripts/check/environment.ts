import type { Finding } from "./finding.ts";
import type { Project } from "./project.ts";
import { isTestFile, lineAt, sourceFiles } from "./source-files.ts";

/** Where a process reads its environment: once, at its start. */
const READERS = [
  /^scripts\//,
  /^packages\/testkit\//,
  /^services\/[^/]+\/src\/(cli\/)?(config|main)\.ts$/,
  /^[^/]+\.config\.ts$/,
];

/**
 * `process.env` is read in one place per service, where its problems are reported together. A
 * module that looks into it later depends on something that no option table shows.
 */
export function environment(project: Project): Finding[] {
  return sourceFiles(project)
    .filter(({ path }) => !isTestFile(path) && !READERS.some((reader) => reader.test(path)))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/\bprocess\.env\b/g)].map((match) => ({
        file: path,
        line: lineAt(text, match.index),
        message: "process.env is read here; take the value through the constructor",
      })),
    );
}
