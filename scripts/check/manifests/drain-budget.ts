import { readEdgeConfig } from "../../../services/edge/src/config.ts";
import { type ManifestSet, environmentOf, ofKind } from "./manifest.ts";

/** For the kubelet of a busy node, and for a process that is slow to be scheduled. */
const MARGIN_S = 15;

/** What the proxies of a cluster need to learn that a pod is on its way out. */
const PRE_STOP_S = 5;

/**
 * The grace period holds preStop, the drain and a margin: beyond it the kubelet kills, and what was
 * promised is cut off. preStop is the kubelet's own sleep, since the image may have no shell.
 */
export function drainBudget(set: ManifestSet): string[] {
  return ofKind(set, "Deployment").flatMap(({ metadata, spec }) => {
    const { containers, terminationGracePeriodSeconds: graceS = 30 } = spec.template.spec;
    const edge = containers.find(({ name }) => name === "edge");
    const config = edge && readEdgeConfig(environmentOf(set, edge));
    if (!edge || !config?.ok) return [];
    const { sleep, exec } = edge.lifecycle?.preStop ?? {};
    const preStopS = sleep?.seconds ?? 0;
    const messages = [];
    if (exec !== undefined) messages.push("preStop runs a command; use the kubelet's sleep");
    if (preStopS < PRE_STOP_S) messages.push(`preStop sleeps ${preStopS} s, wanted ${PRE_STOP_S}`);
    const neededS = preStopS + config.values.drainMs / 1_000 + MARGIN_S;
    if (graceS < neededS) {
      const parts = `preStop ${preStopS} s, EDGE_DRAIN_MS and a margin of ${MARGIN_S} s`;
      messages.push(`terminationGracePeriodSeconds is ${graceS}, wanted ${neededS}: ${parts}`);
    }
    return messages.map((message) => `${metadata.name}: ${message}`);
  });
}
