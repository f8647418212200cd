import { must } from "@millrace/runtime";
import type { Manifest } from "./overlay.ts";

export interface TrialOptions {
  /** What is other than in the overlay, in the edges' ConfigMap. */
  readonly environment: Values;
  readonly drainMs: number;
}

/** What edges need to run here; brokers, gateways and monitors are not of this machine. */
const KEPT: readonly string[] = [
  "Namespace/millrace",
  "ServiceAccount/edge",
  "Service/edge",
  "Service/edge-admin",
  "Deployment/edge",
  "HorizontalPodAutoscaler/edge",
  "PodDisruptionBudget/edge",
];

/** Credentials that this trial's Kafka and Redis ask for none of. */
const WITHOUT = ["EDGE_KAFKA_SECURITY_DIR", "EDGE_REDIS_SECURITY_DIR"] as const;

const SECOND_MS = 1_000;

/**
 * The overlay's edges for a trial: the same Deployment with its probes, its surge, its hook and its
 * budget, but with other values in the ConfigMap and a drain, and so a grace, that is shorter.
 */
export function trialOf(manifests: readonly Manifest[], options: TrialOptions): Manifest[] {
  const edges = manifests.filter(
    ({ kind, metadata: { name } }) =>
      KEPT.includes(`${kind}/${name}`) || (kind === "ConfigMap" && name.startsWith("edge-")),
  );
  const settings = edges.find(({ kind }) => kind === "ConfigMap");
  const { EDGE_DRAIN_MS: drain } = must(settings, "the edges' ConfigMap")["data"] as Values;
  const shorterS = (Number(drain) - options.drainMs) / SECOND_MS;
  return edges.map((manifest) => {
    if (manifest.kind === "ConfigMap") return withEnvironment(manifest, options);
    if (manifest.kind === "Deployment") return withGrace(manifest, shorterS);
    return manifest;
  });
}

type Values = Readonly<Record<string, string>>;

function withEnvironment(manifest: Manifest, { environment, drainMs }: TrialOptions): Manifest {
  const given = manifest["data"] as Values;
  const kept = Object.entries(given).filter(
    ([name]) => !(WITHOUT as readonly string[]).includes(name),
  );
  const data = { ...Object.fromEntries(kept), EDGE_DRAIN_MS: String(drainMs), ...environment };
  return { ...manifest, data };
}

interface Deployment extends Manifest {
  readonly spec: {
    readonly template: {
      readonly spec: Readonly<Record<string, unknown>> & {
        readonly terminationGracePeriodSeconds: number;
      };
    };
  };
}

/** As much shorter as the drain is: the hook and the margin stay. */
function withGrace(manifest: Manifest, shorterS: number): Manifest {
  const { spec } = manifest as Deployment;
  const pod = spec.template.spec;
  const grace = pod.terminationGracePeriodSeconds - shorterS;
  const template = { ...spec.template, spec: { ...pod, terminationGracePeriodSeconds: grace } };
  return { ...manifest, spec: { ...spec, template } };
}
