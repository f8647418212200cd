import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ControlPlane } from "@millrace/testkit/kubernetes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { skipsKubernetes, tell } from "./machine.ts";
import { type Manifest, OVERLAYS, textOf, manifestsIn, renderOverlay } from "./overlay.ts";

/** Where the definitions of Strimzi, the Gateway API and Prometheus' operator may lie. */
const CRDS =
  process.env["MILLRACE_CRDS"] ?? fileURLToPath(new URL("../../../shared/crds/", import.meta.url));
const HAS_CRDS = existsSync(CRDS);

/** Groups of definitions end in a domain; Kubernetes' own of the networks and rights alone do so, too. */
const BUILT_IN = /^(\w+\/)?v\d\w*$|^(networking|rbac\.authorization)\.k8s\.io\//;

if (!skipsKubernetes && !HAS_CRDS)
  tell(`only Kubernetes' own kinds are tried: there is no ${CRDS}`);

let plane: ControlPlane;

function isBuiltIn({ apiVersion = "" }: Manifest): boolean {
  return BUILT_IN.test(apiVersion);
}

/** What the API server says to all of it, without keeping anything. */
async function tryOut(manifests: readonly Manifest[]): Promise<{ code: number; stderr: string }> {
  const how = ["--dry-run=server", "--validate=strict", "-f", "-"];
  return plane.kubectl(["apply", ...how], textOf(manifests));
}

/** Definitions that are served only when the API server says so. */
async function define(files: readonly string[]): Promise<void> {
  const definitions = files.flatMap((file) => manifestsIn(readFileSync(join(CRDS, file), "utf8")));
  const apply = ["apply", "--server-side", "-f", "-"];
  expect(await plane.kubectl(apply, textOf(definitions))).toMatchObject({ code: 0 });
  const names = definitions.map(({ metadata }) => `crd/${metadata.name}`);
  const wait = ["wait", "--for=condition=Established", "--timeout=120s", ...names];
  expect(await plane.kubectl(wait)).toMatchObject({ code: 0 });
}

describe.skipIf(skipsKubernetes)("A real API server", () => {
  beforeAll(async () => {
    plane = await ControlPlane.start(tell);
    if (HAS_CRDS) await define(readdirSync(CRDS).filter((file) => file.endsWith(".yaml")));
    // A dry run keeps no namespace that the next object could be in.
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "millrace" } };
    const apply = ["apply", "-f", "-"];
    expect(await plane.kubectl(apply, textOf([namespace]))).toMatchObject({ code: 0 });
  });

  afterAll(() => plane?.stop());

  it.each(OVERLAYS)("accepts what of the overlay %s is Kubernetes' own", async (name) => {
    const manifests = (await renderOverlay(plane, name)).filter(isBuiltIn);
    expect(manifests.length).toBeGreaterThan(10);
    expect(await tryOut(manifests)).toMatchObject({ code: 0, stderr: "" });
  });

  it.skipIf(!HAS_CRDS).each(OVERLAYS)("accepts all of the overlay %s", async (name) => {
    const manifests = await renderOverlay(plane, name);
    expect(manifests.every(isBuiltIn)).toBe(false);
    expect(await tryOut(manifests)).toMatchObject({ code: 0, stderr: "" });
  });

  it("refuses a field that there is not, and a value that can't be", async () => {
    const manifests = await renderOverlay(plane, "production");
    const budget = manifests.filter(({ kind }) => kind === "PodDisruptionBudget");
    expect(await tryOut(budget)).toMatchObject({ code: 0 });
    const [first] = budget;
    const misspelt = { ...first, spec: { minimumAvailable: 1 } } as unknown as Manifest;
    expect((await tryOut([misspelt])).stderr).toContain('unknown field "spec.minimumAvailable"');
    const wrong = { ...first, spec: { maxUnavailable: "some" } } as unknown as Manifest;
    expect((await tryOut([wrong])).code).toBe(1);
  });

  it.skipIf(!HAS_CRDS)("refuses what Strimzi's own definitions do not know", async () => {
    const manifests = await renderOverlay(plane, "production");
    const topics = manifests.filter(({ kind }) => kind === "KafkaTopic");
    const [first] = topics;
    const spec = { ...(first?.["spec"] as object), partition: 12 };
    expect((await tryOut([{ ...first, spec } as Manifest])).stderr).toContain("unknown field");
  });
});
