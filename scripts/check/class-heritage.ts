import type { Finding } from "./finding.ts";
import type { Project } from "./project.ts";
import { lineAt, sourceFiles } from "./source-files.ts";

const HERITAGE =
  /^\s*(?:export\s+)?(?:abstract\s+)?class\s+\w+(?:<(?:[^<>]|<[^<>]*>)*>)?\s+extends\s+([\w.]+)/gm;

/** Compose; do not extend: the one base class here is Error, and what is made from it. */
export function classHeritage(project: Project): Finding[] {
  return sourceFiles(project).flatMap(({ path, text }) =>
    [...text.matchAll(HERITAGE)]
      .filter((match) => !match[1]?.endsWith("Error"))
      .map((match) => ({
        file: path,
        line: lineAt(text, match.index + match[0].length),
        message: `a class extends ${match[1]}; hold one instead of being one`,
      })),
  );
}
