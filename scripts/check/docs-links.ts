import { posix } from "node:path";
import type { Finding } from "./finding.ts";
import type { Project } from "./project.ts";
import { lineAt } from "./source-files.ts";

const LINK = /\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)/g;

/** A relative link in the docs leads to a file or folder of the project. */
export function docsLinks(project: Project): Finding[] {
  const paths = [...project.files.keys()];
  return [...project.files]
    .filter(([file]) => file.endsWith(".md"))
    .flatMap(([file, text]) =>
      [...text.matchAll(LINK)]
        .filter((match) => !leadsSomewhere(file, match[1] ?? "", paths))
        .map((match) => ({
          file,
          line: lineAt(text, match.index),
          message: `"${match[1]}" leads nowhere`,
        })),
    );
}

function leadsSomewhere(file: string, link: string, paths: readonly string[]): boolean {
  const target = posix.join(posix.dirname(file), link).replace(/\/$/, "");
  return paths.some((path) => path === target || path.startsWith(`${target}/`));
}
