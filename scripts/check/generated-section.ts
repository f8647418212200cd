import type { Finding } from "./finding.ts";
import { normaliseTable } from "./markdown-table.ts";
import type { Project } from "./project.ts";

/** A part of a document that the code writes: `npm run check -- --write` puts it in place. */
export interface GeneratedSection {
  readonly file: string;
  /** Stands between `<!-- generated: name -->` and `<!-- end: name -->`. */
  readonly name: string;
  readonly content: string;
}

/** What stands between the markers is what the code says, both ways. */
export function staleSections(project: Project, sections: readonly GeneratedSection[]): Finding[] {
  return sections.flatMap(({ file, name, content }) => {
    const text = project.files.get(file);
    if (text === undefined) return [{ file, message: "is missing" }];
    const written = textBetween(text, name);
    if (written === undefined) return [{ file, message: `has no markers for "${name}"` }];
    if (normaliseTable(written) === normaliseTable(content)) return [];
    return [{ file, message: difference(name, written, content) }];
  });
}

/** The document with the sections put in. */
export function withSections(text: string, sections: readonly GeneratedSection[]): string {
  return sections.reduce(
    (result, { name, content }) =>
      result.replace(between(name), (_, open: string, __, close: string) =>
        [open, "", content.trim(), "", close].join("\n"),
      ),
    text,
  );
}

function textBetween(text: string, name: string): string | undefined {
  return between(name).exec(text)?.[2];
}

function between(name: string): RegExp {
  return new RegExp(`(<!-- generated: ${name} -->)([\\s\\S]*?)(<!-- end: ${name} -->)`);
}

function difference(name: string, written: string, content: string): string {
  const old = normaliseTable(written).split("\n");
  const now = normaliseTable(content).split("\n");
  const gone = old
    .filter((line) => !now.includes(line))
    .map((line) => `  only in the docs: ${line}`);
  const come = now
    .filter((line) => !old.includes(line))
    .map((line) => `  only in the code: ${line}`);
  const advice = "`npm run check -- --write` puts it in place";
  return [`"${name}" differs from the code; ${advice}`, ...gone, ...come].join("\n");
}
