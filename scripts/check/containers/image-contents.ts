import { posix } from "node:path";
import { importsOf, packageOf } from "../module-imports.ts";
import type { Project } from "../project.ts";
import { type Stage, copiesOf } from "./image-recipe.ts";

const SCOPE = "@millrace/";

interface PackageList {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

interface Workspace extends PackageList {
  readonly folder: string;
}

/**
 * Whatever the image's main imports, and what that imports, is in the image: files that its stage
 * copies and .dockerignore lets through, packages that are no development dependency, and nothing
 * that only a TypeScript runner would find.
 */
export function imageContents(project: Project, stage: Stage): string[] {
  const main = mainOf(stage);
  if (main === undefined) return [`${stage.name}: its CMD starts no file of node`];
  const workspaces = workspacesOf(project);
  const has = contentsOf(project, stage);
  const seen = new Set<string>();
  const findings: string[] = [];
  const waiting = [main];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    if (!has(path)) {
      findings.push(`${path} is not in the image`);
      continue;
    }
    for (const { specifier, line } of importsOf(project.files.get(path) ?? "")) {
      const next = resolved(specifier, path, workspaces);
      if (typeof next === "string") waiting.push(next);
      else if (next.problem !== undefined) findings.push(`${path}:${line}: ${next.problem}`);
    }
  }
  return findings.map((finding) => `${stage.name}: ${finding}`);
}

function mainOf({ instructions }: Stage): string | undefined {
  const command = instructions.findLast(({ word }) => word === "CMD")?.rest ?? "";
  return /^\["node", "([^"]+)"\]$/.exec(command)?.[1];
}

/** What the stage copies out of the context, without what .dockerignore keeps from it. */
function contentsOf(project: Project, stage: Stage): (path: string) => boolean {
  const ignored = ignoreRule(project.files.get(".dockerignore") ?? "");
  const copied = copiesOf(stage)
    .filter(({ from }) => from === undefined)
    .flatMap(({ sources }) => sources);
  return (path) =>
    project.files.has(path) &&
    !ignored(path) &&
    copied.some((source) => path === source || path.startsWith(`${source}/`));
}

/** As Docker reads it: the last pattern that fits decides, and one for a folder fits what is in it. */
export function ignoreRule(text: string): (path: string) => boolean {
  const rules = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => ({ isKept: line.startsWith("!"), pattern: patternOf(line.replace(/^!/, "")) }));
  return (path) => rules.findLast(({ pattern }) => pattern.test(path))?.isKept === false;
}

function patternOf(glob: string): RegExp {
  const source = glob
    .replaceAll(/[.+^$()|{}]/g, String.raw`\$&`)
    .replaceAll("**/", "\0")
    .replaceAll("*", "[^/]*")
    .replaceAll("\0", "(?:.*/)?");
  return new RegExp(`^${source}(?:/.*)?$`);
}

/** Another file of the project; or else a package, and what is wrong with it. */
function resolved(
  specifier: string,
  from: string,
  workspaces: readonly Workspace[],
): string | { readonly problem?: string } {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier);
  if (specifier.startsWith("node:")) return {};
  const own = workspaces.find(({ folder }) => from.startsWith(`${folder}/`));
  const name = packageOf(specifier);
  if (own?.name !== name && own?.dependencies?.[name] === undefined) {
    return { problem: `${name} is no dependency of ${own?.name ?? "anybody"} in production` };
  }
  if (!name.startsWith(SCOPE)) return {};
  const target = workspaces.find((workspace) => workspace.name === name);
  const entry = target?.exports?.[`.${specifier.slice(name.length)}`];
  if (target === undefined || entry === undefined) return { problem: `${specifier} is no entry` };
  return posix.join(target.folder, entry);
}

function workspacesOf(project: Project): Workspace[] {
  return [...project.files]
    .filter(([path]) => /^(schemas|(packages|services)\/[^/]+)\/package\.json$/.test(path))
    .map(([path, text]) => ({ ...(JSON.parse(text) as PackageList), folder: posix.dirname(path) }));
}
