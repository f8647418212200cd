import { PROBES } from "../../../services/edge/src/http/http-api.ts";
import { type Container, type HttpProbe, type ManifestSet, ofKind } from "./manifest.ts";

const LIVENESS = "/healthz";
const READINESS = "/readyz";

/** Each has three probes on a port that it has; where it is one of ours, on the path that answers. */
export function probes(set: ManifestSet): string[] {
  return ofKind(set, "Deployment").flatMap(({ metadata, spec }) =>
    spec.template.spec.containers.flatMap((container) =>
      findingsOf(container).map((message) => `${metadata.name}: ${message}`),
    ),
  );
}

function findingsOf(container: Container): string[] {
  const { startupProbe, livenessProbe, readinessProbe } = container;
  const all = { startupProbe, livenessProbe, readinessProbe };
  return Object.entries(all).flatMap(([name, probe]) => {
    if (probe === undefined) return [`${container.name} has no ${name}`];
    const port = probe.httpGet?.port ?? probe.tcpSocket?.port;
    const messages = hasPort(container, port) ? [] : [`${name} asks port ${port}, which is none`];
    return [...messages, ...pathFindings(container, name, probe)];
  });
}

function pathFindings({ name: owner }: Container, name: string, { httpGet }: HttpProbe): string[] {
  const path = httpGet?.path;
  if ((owner !== "edge" && owner !== "control") || path === undefined) return [];
  if (!PROBES.includes(path)) return [`${name} asks ${path}; there are ${PROBES.join(", ")}`];
  // What else it asks about could restart every pod at once.
  if (name === "livenessProbe" && path !== LIVENESS) return [`${name} asks more than ${LIVENESS}`];
  if (name === "readinessProbe" && path !== READINESS) return [`${name} does not ask ${READINESS}`];
  return [];
}

/** By name or by number. */
export function hasPort({ ports = [] }: Container, port: number | string | undefined): boolean {
  return ports.some(({ name, containerPort }) => port === name || port === containerPort);
}
