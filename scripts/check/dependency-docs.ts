import type { Finding } from "./finding.ts";
import type { Project } from "./project.ts";

const FILE = "docs/decisions/dependencies.md";

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** Every dependency has its line that says why it is there, and no line outlives its dependency. */
export function dependencyDocs(project: Project): Finding[] {
  const manifests = [...project.files].filter(([path]) => /(^|\/)package\.json$/.test(path));
  const used = new Map(manifests.flatMap(([path, text]) => dependenciesIn(path, text)));
  const explained = new Set(
    [...(project.files.get(FILE) ?? "").matchAll(/^\| `([^`:]+)` +\|/gm)].map((match) => match[1]),
  );
  return [
    ...[...used]
      .filter(([name]) => !explained.has(name))
      .map(([name, file]) => ({ file, message: `no line in ${FILE} says why "${name}" is used` })),
    ...[...explained]
      .filter((name) => name !== undefined && !used.has(name))
      .map((name) => ({ file: FILE, message: `explains "${name}", which no package.json names` })),
    ...manifests.flatMap(([file, text]) => looseVersions(file, text)),
  ];
}

function dependenciesIn(path: string, text: string): [string, string][] {
  return entriesOf(text).map(([name]) => [name, path]);
}

/** A range would let the next install bring bytes that nobody has tested. */
function looseVersions(file: string, text: string): Finding[] {
  return entriesOf(text)
    .filter(([, version]) => !/^(npm:[\w.-]+@)?\d+\.\d+\.\d+$/.test(version))
    .map(([name, version]) => ({ file, message: `"${name}": "${version}" is no exact version` }));
}

function entriesOf(text: string): [string, string][] {
  const { dependencies, devDependencies } = JSON.parse(text) as Manifest;
  const entries = Object.entries({ ...dependencies, ...devDependencies });
  return entries.filter(([name]) => !name.startsWith("@millrace/"));
}
