import { LIMITS } from "../../../services/edge/src/limits.ts";
import { planMemory } from "../../../services/edge/src/vitals/memory-plan.ts";
import { readEdgeConfig } from "../../../services/edge/src/config.ts";
import { type Container, type ManifestSet, environmentOf, ofKind } from "./manifest.ts";

const MIB = 1_048_576;
const UNITS: Readonly<Record<string, number>> = { Mi: MIB, Gi: 1_024 * MIB };

/** `tcp_wmem` of a Linux that nobody has tuned. */
const SEND_BUFFER_BYTES = 4 * MIB;

/** The most that an edge may be filled to on average, so that one that goes finds room elsewhere. */
const FILL_MAX = 0.7;

/**
 * An edge's memory is its own (what is asked for is the limit), it is within it, and the autoscaler
 * adds another edge before this one is full.
 */
export function memoryRoom(set: ManifestSet): string[] {
  return ofKind(set, "Deployment").flatMap(({ metadata, spec }) =>
    spec.template.spec.containers
      .filter(({ name }) => name === "edge")
      .flatMap((container) => findingsOf(set, metadata.name, container))
      .map((message) => `${metadata.name}: ${message}`),
  );
}

function findingsOf(set: ManifestSet, deployment: string, container: Container): string[] {
  const { requests, limits } = container.resources ?? {};
  const config = readEdgeConfig(environmentOf(set, container));
  if (limits?.memory === undefined) return ["has no limit of memory, by which it plans"];
  if (requests?.memory !== limits.memory) return ["asks for less memory than its limit"];
  const limitBytes = bytesOf(limits.memory);
  const ownBytes =
    config.ok && config.values.memoryMb > 0 ? config.values.memoryMb * MIB : limitBytes;
  if (ownBytes > limitBytes) return [`EDGE_MEMORY_MB is more than its limit of ${limits.memory}`];
  const budget = { budgetBytes: ownBytes, sendBufferBytes: SEND_BUFFER_BYTES };
  const { connections } = planMemory(LIMITS, budget);
  const scaler = ofKind(set, "HorizontalPodAutoscaler").find(
    (other) => other.spec.scaleTargetRef.name === deployment,
  );
  return (scaler?.spec.metrics ?? []).flatMap(({ pods }) => {
    const wanted = Number(pods?.target.averageValue ?? 0);
    if (wanted <= connections * FILL_MAX) return [];
    return [`is scaled at ${wanted} connections, and holds ${connections}: wanted 70 % at most`];
  });
}

function bytesOf(quantity: string): number {
  const [, amount = "0", unit = ""] = /^(\d+)(\w*)$/.exec(quantity) ?? [];
  return Number(amount) * (UNITS[unit] ?? 1);
}
