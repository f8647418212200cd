import type { Finding } from "./finding.ts";
import type { Project } from "./project.ts";

/** Words that name no thing: a file so called collects what belongs elsewhere. */
const EMPTY_WORDS = new Set([
  "util",
  "utils",
  "helper",
  "helpers",
  "common",
  "misc",
  "manager",
  "base",
  "impl",
]);

/** Names that tools and readers look for in this very spelling. */
const CUSTOMARY = /^(README|LICENSE|CONTRIBUTING|SECURITY|Dockerfile)(\.md)?$/;

const KEBAB_CASE = /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;

/** Kubernetes overlays stand on a folder that Kustomize's users expect under this name. */
const KUSTOMIZE = /^k8s\//;

/** Kebab-case names made of domain nouns, for files and folders alike. */
export function fileNames(project: Project): Finding[] {
  return [...project.files.keys()].flatMap((file) => {
    const message = file.split("/").map(whyBadName).find(Boolean);
    return message === undefined || KUSTOMIZE.test(file) ? [] : [{ file, message }];
  });
}

function whyBadName(name: string): string | undefined {
  if (CUSTOMARY.test(name)) return undefined;
  if (!KEBAB_CASE.test(name)) return `"${name}" is not kebab-case`;
  const word = name.split(/[.-]/).find((part) => EMPTY_WORDS.has(part));
  return word === undefined ? undefined : `"${word}" says nothing; name the thing it holds`;
}
