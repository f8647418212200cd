import type { Project } from "./project.ts";

export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** The TypeScript and plain JavaScript of the project. */
export function sourceFiles(project: Project): SourceFile[] {
  return [...project.files]
    .filter(([path]) => /\.(ts|mjs|js)$/.test(path))
    .map(([path, text]) => ({ path, text }));
}

/** A test, a suite that tests are made of, or what only tests use. */
export function isTestFile(path: string): boolean {
  return (
    /\.(test|bench)\.ts$/.test(path) ||
    /(^|\/)conformance[^/]*\.ts$/.test(path) ||
    /(^|\/)testing\//.test(path) ||
    path.startsWith("test/")
  );
}

/** The line, counted from 1, that an index into a text stands in. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
