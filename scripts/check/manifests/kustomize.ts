import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { type ManifestSet, parseManifests } from "./manifest.ts";

const run = promisify(execFile);

/** Its releases before 1.27 know less of kustomize than the overlays use. */
export async function hasKubectl(): Promise<boolean> {
  try {
    await run("kubectl", ["version", "--client"]);
    return true;
  } catch {
    // Not on the PATH, or not for this machine.
    return false;
  }
}

/** The overlay as `kubectl apply -k` would send it; rejects with kustomize's own words. */
export async function built(root: string, place: string): Promise<ManifestSet> {
  const { stdout } = await run("kubectl", ["kustomize", join(root, place)], {
    maxBuffer: 64 * 1_048_576,
  });
  return { place, manifests: parseManifests(stdout, place) };
}
