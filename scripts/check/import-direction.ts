import { posix } from "node:path";
import type { Finding } from "./finding.ts";
import { type ModuleImport, importsOf, packageOf } from "./module-imports.ts";
import type { Project } from "./project.ts";
import { type SourceFile, isTestFile, sourceFiles } from "./source-files.ts";

/** What each part may import of the others; docs/architecture.md §8 draws it. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  schemas: [],
  "packages/runtime": ["@millrace/schemas"],
  "packages/log": ["@millrace/schemas", "@millrace/runtime"],
  "packages/client": ["@millrace/schemas"],
  "packages/testkit": ["@millrace/schemas", "@millrace/runtime", "@millrace/log"],
  // Its command line reads and writes a conversation as any client does.
  "services/control": [
    "@millrace/schemas",
    "@millrace/runtime",
    "@millrace/log",
    "@millrace/client",
  ],
  services: ["@millrace/schemas", "@millrace/runtime", "@millrace/log"],
};

/** Tests stand beside the code, and may use what launches, breaks and connects. */
const TESTS_MAY_IMPORT = ["@millrace/testkit", "@millrace/client"];

/** Dependencies that one place hides from all others, so that it alone has to change with them. */
const SOLE_IMPORTERS: Readonly<Record<string, RegExp>> = {
  "uWebSockets.js": /^services\/edge\/src\/server\//,
  kafkajs: /^packages\/(log\/src\/(kafka|testing)|testkit\/src)\//,
  "@opentelemetry/core": /^services\/edge\/src\/trace\//,
  "@opentelemetry/exporter-trace-otlp-http": /^services\/edge\/src\/trace\//,
  "@opentelemetry/sdk-trace-base": /^services\/edge\/src\/trace\//,
  avsc: /^schemas\/src\/record\//,
};

/** What a server costs that does nothing else: the benchmark's floor, which no product code meets. */
const BARE_SERVER = "scripts/bench/floor/bare-server.ts";

/**
 * Imports go one way: schemas ← packages/runtime, packages/log ← services. Services never import
 * each other, the SDK only the contract, and uWebSockets.js is imported by a single file.
 */
export function importDirection(project: Project): Finding[] {
  const files = sourceFiles(project);
  return [...files.flatMap(findingsIn), ...secondImporters(files)];
}

function findingsIn({ path, text }: SourceFile): Finding[] {
  return importsOf(text).flatMap((imported) => {
    const message = whyForbidden(path, imported);
    return message === undefined ? [] : [{ file: path, line: imported.line, message }];
  });
}

function whyForbidden(path: string, { specifier }: ModuleImport): string | undefined {
  const part = partOf(path);
  // Scripts and the tests across services start everything, so they may import everything.
  if (part === undefined) return undefined;
  if (specifier.startsWith(".")) {
    const target = posix.join(posix.dirname(path), specifier);
    return target.startsWith(`${part}/`)
      ? undefined
      : `"${specifier}" reaches out of ${part} by its path; import the package`;
  }
  const home = SOLE_IMPORTERS[packageOf(specifier)];
  if (home !== undefined && !home.test(path) && !isTestFile(path)) {
    return `only ${home.source} may import "${specifier}"`;
  }
  if (!specifier.startsWith("@millrace/") || mayImport(path, part, specifier)) return undefined;
  return `${part} may not import "${specifier}"`;
}

function mayImport(path: string, part: string, specifier: string): boolean {
  const name = packageOf(specifier);
  if (name === `@millrace/${posix.basename(part)}`) return true;
  const key = part in MAY_IMPORT || !part.startsWith("services/") ? part : "services";
  if (MAY_IMPORT[key]?.includes(name) === true) return true;
  return isTestFile(path) && TESTS_MAY_IMPORT.includes(name);
}

/** The workspace that a file belongs to; undefined for scripts, tests across services and config. */
function partOf(path: string): string | undefined {
  if (path.startsWith("schemas/")) return "schemas";
  return /^(packages|services)\/[^/]+/.exec(path)?.[0];
}

function secondImporters(files: readonly SourceFile[]): Finding[] {
  const importers = files.filter(
    ({ path, text }) =>
      path !== BARE_SERVER &&
      !isTestFile(path) &&
      importsOf(text).some(({ specifier }) => specifier === "uWebSockets.js"),
  );
  return importers.slice(1).map(({ path }) => ({
    file: path,
    message: `uWebSockets.js is imported by ${importers[0]?.path} already; one file is the seam`,
  }));
}
