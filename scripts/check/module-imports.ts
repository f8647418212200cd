import { lineAt } from "./source-files.ts";

export interface ModuleImport {
  /** As it is written: a relative path, a package, or a package's entry. */
  readonly specifier: string;
  readonly line: number;
}

const FORMS = [
  /^\s*(?:import|export)\b[^"';]*?\bfrom\s*["']([^"']+)["']/gm,
  /^\s*import\s*["']([^"']+)["']/gm,
  /\b(?:import|require)\(\s*["']([^"']+)["']/g,
];

/** Every module that a source file imports, statically or when it runs. */
export function importsOf(text: string): ModuleImport[] {
  return FORMS.flatMap((form) =>
    [...text.matchAll(form)].map((match) => ({
      specifier: match[1] ?? "",
      line: lineAt(text, (match.index ?? 0) + match[0].length),
    })),
  );
}

/** The package of a specifier (`@millrace/schemas/record` → `@millrace/schemas`). */
export function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
