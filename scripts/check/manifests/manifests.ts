import { join } from "node:path";
import type { Project } from "../project.ts";
import { coreFindings, coreValidator } from "./core-schemas.ts";
import { CrdSchemas } from "./crd-schemas.ts";
import { built, hasKubectl } from "./kustomize.ts";
import { type ManifestSet, parseManifests } from "./manifest.ts";
import { manifestFindings } from "./manifest-rules.ts";
import { baseAsWritten, overlayPlaces, unusedFiles } from "./manifest-sets.ts";
import { exampleFindings, secretFindings } from "./secret-references.ts";

const EXAMPLES = "k8s/secrets.example.yaml";

export interface ManifestCheck {
  readonly project: Project;
  readonly root: string;
  /** The definitions of the operators' kinds; they are no part of the project. */
  readonly crdFolder: string;
  /** What was not looked at, and why. */
  readonly skip: (what: string) => void;
}

/**
 * The manifests: the base as it is written, and every overlay as kustomize builds it, each against
 * the rules and the schemas. What a machine lacks for it is said, and the rest is done.
 */
export async function manifests(check: ManifestCheck): Promise<string[]> {
  const { project, root, skip } = check;
  const base = baseAsWritten(project);
  const examples = parseManifests(project.files.get(EXAMPLES) ?? "", EXAMPLES);
  const findings = [
    ...exampleFindings(examples).map((message) => `${EXAMPLES}: ${message}`),
    ...secretFindings(base, examples),
    ...unusedFiles(project).map((file) => `${file}: no kustomization of its folder names it`),
    ...manifestFindings(base),
  ];
  const places = overlayPlaces(project);
  const overlays: ManifestSet[] = [];
  if (await hasKubectl()) {
    const builds = await Promise.allSettled(places.map((place) => built(root, place)));
    for (const build of builds) {
      if (build.status === "fulfilled") overlays.push(build.value);
      else findings.push(String(build.reason));
    }
  } else {
    skip("overlays (no kubectl)");
  }
  findings.push(
    ...overlays.flatMap((set) => [...manifestFindings(set), ...secretFindings(set, examples)]),
  );
  const sets = overlays.length > 0 ? overlays : [base];
  return [...findings, ...(await coreSchemas(check, sets)), ...operatorSchemas(check, sets)];
}

async function coreSchemas(
  { root, skip }: ManifestCheck,
  sets: readonly ManifestSet[],
): Promise<string[]> {
  const validator = await coreValidator(join(root, "k8s/requirements.txt"));
  if (!("missing" in validator)) return coreFindings(validator, sets);
  skip(`schemas of Kubernetes (${validator.missing})`);
  return [];
}

function operatorSchemas(
  { crdFolder, skip }: ManifestCheck,
  sets: readonly ManifestSet[],
): string[] {
  const schemas = CrdSchemas.inFolder(crdFolder);
  if (schemas === undefined) {
    skip("schemas of the operators' kinds (no folder with their definitions)");
    return [];
  }
  return sets.flatMap((set) => [
    ...schemas.findings(set).map((message) => `${set.place}: ${message}`),
    ...schemas.unknownKinds(set).map((kind) => `${set.place}: nobody knows the kind ${kind}`),
  ]);
}
