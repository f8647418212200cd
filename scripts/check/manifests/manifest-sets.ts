import { posix } from "node:path";
import { parse } from "yaml";
import type { Project } from "../project.ts";
import { type ConfigMap, type Manifest, type ManifestSet, parseManifests } from "./manifest.ts";

const BASE = "k8s/base";

/** infra/nginx gives the base its configuration. */
const FOLDERS = /^(k8s\/base|infra\/nginx)\//;

interface Kustomization {
  readonly resources?: readonly string[];
  readonly configMapGenerator?: readonly {
    readonly name: string;
    readonly envs?: readonly string[];
    readonly files?: readonly string[];
  }[];
}

/**
 * The base as its files have it, every way in included, without kustomize: what is looked at
 * everywhere. What overlays change is looked at where kubectl can build them.
 */
export function baseAsWritten(project: Project): ManifestSet {
  const kustomizations = [...project.files.keys()].filter(
    (path) => FOLDERS.test(path) && path.endsWith("/kustomization.yaml"),
  );
  return {
    place: BASE,
    manifests: kustomizations.flatMap((path) => folderManifests(project, posix.dirname(path))),
  };
}

export function overlayPlaces(project: Project): string[] {
  return [...project.files.keys()]
    .filter((path) => /^k8s\/overlays\/[^/]+\/kustomization\.yaml$/.test(path))
    .map((path) => posix.dirname(path));
}

/** Files of `k8s` that no kustomization of their folder names: they would never be applied. */
export function unusedFiles(project: Project): string[] {
  return [...project.files.keys()].filter((path) => {
    if (!/^k8s\/(base|overlays)\/.*\.(yaml|env|conf)$/.test(path)) return false;
    if (path.endsWith("/kustomization.yaml")) return false;
    const text = project.files.get(`${posix.dirname(path)}/kustomization.yaml`) ?? "";
    return !text.includes(posix.basename(path));
  });
}

function folderManifests(project: Project, folder: string): Manifest[] {
  const text = project.files.get(`${folder}/kustomization.yaml`) ?? "";
  const { resources = [], configMapGenerator = [] } = parse(text) as Kustomization;
  const files = resources.filter((resource) => resource.endsWith(".yaml"));
  const read = (name: string): string => project.files.get(`${folder}/${name}`) ?? "";
  const maps = configMapGenerator.map(({ name, envs = [], files: contents = [] }): ConfigMap => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name },
    data: Object.fromEntries([
      ...envs.flatMap((env) => environmentLines(read(env))),
      ...contents.map((content) => [posix.basename(content), read(content)]),
    ]) as Record<string, string>,
  }));
  const manifests = files.flatMap((file) => parseManifests(read(file), `${folder}/${file}`));
  return [...manifests, ...maps];
}

/** As kustomize reads it: comments and empty lines go, quotes stay. */
function environmentLines(text: string): [string, string][] {
  return text.split("\n").flatMap((line): [string, string][] => {
    const cut = line.indexOf("=");
    return line.startsWith("#") || cut < 1 ? [] : [[line.slice(0, cut), line.slice(cut + 1)]];
  });
}
