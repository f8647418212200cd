import { fileURLToPath } from "node:url";
import type { ControlPlane, KubernetesObject } from "@millrace/testkit/kubernetes";
import { parseAllDocuments } from "yaml";

const K8S = fileURLToPath(new URL("../../k8s/", import.meta.url));

/** An object as a manifest has it: everything that is not metadata is looked up by whoever knows it. */
export type Manifest = KubernetesObject & Readonly<Record<string, unknown>>;

export const OVERLAYS = ["dev", "production"] as const;

/** What kustomize makes of an overlay of this checkout. */
export async function renderOverlay(
  plane: ControlPlane,
  name: (typeof OVERLAYS)[number],
): Promise<Manifest[]> {
  const { code, stdout, stderr } = await plane.kubectl(["kustomize", `${K8S}overlays/${name}`]);
  if (code !== 0) throw new Error(`overlay ${name}: ${stderr}`);
  return manifestsIn(stdout);
}

export function manifestsIn(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/**
 * For kubectl, one document after the other: what comes as a List it checks by itself, and less
 * strictly than the server does. JSON is YAML, too.
 */
export function textOf(manifests: readonly unknown[]): string {
  return manifests.map((manifest) => JSON.stringify(manifest)).join("\n---\n");
}
