import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  MissingPart,
  type PythonEnvironment,
  cacheFolder,
  pythonEnvironment,
} from "@millrace/testkit";
import { stringify } from "yaml";
import { isCustom } from "./crd-schemas.ts";
import type { ManifestSet } from "./manifest.ts";

const run = promisify(execFile);

/** The oldest that the manifests are meant for (`sleep` in preStop is on by default), and a new one. */
const VERSIONS = ["1.30", "1.37"] as const;

/** The schemas of the cluster's own kinds come with a Python package, which is installed once. */
export async function coreValidator(
  requirements: string,
): Promise<PythonEnvironment | { readonly missing: string }> {
  try {
    return await pythonEnvironment({
      requirements,
      cacheFolder: cacheFolder(),
      tell: (line) => console.error(line),
    });
  } catch (error) {
    if (error instanceof MissingPart) return { missing: error.message.split("\n")[0] ?? "" };
    throw error;
  }
}

/** What breaks the schema of its kind, unknown fields included, in any of the versions. */
export async function coreFindings(
  { python, env }: PythonEnvironment,
  sets: readonly ManifestSet[],
): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "millrace-manifests-"));
  try {
    const files = sets.map(({ place, manifests }) => {
      const file = join(folder, `${place.replaceAll("/", "-")}.yaml`);
      const own = manifests.filter(({ apiVersion }) => !isCustom(apiVersion));
      writeFileSync(file, own.map((manifest) => stringify(manifest)).join("---\n"));
      return file;
    });
    const versions = VERSIONS.flatMap((version) => ["-k", version]);
    const args = ["-m", "kubernetes_validate", "--strict", "--quiet", ...versions, ...files];
    const output = await outputOf(python, args, { ...process.env, ...env });
    // Each line says of what, by the file; the folder says nothing.
    return output
      .replaceAll(`${folder}/`, "")
      .split("\n")
      .filter((line) => line.trim() !== "");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** It ends with 1 where it has found something; a warning it writes only. */
async function outputOf(
  python: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string> {
  try {
    const { stdout, stderr } = await run(python, args, { env });
    return `${stdout}${stderr}`;
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as Error & Partial<Record<string, string>>;
    return `${stdout}${stderr}` || message;
  }
}
