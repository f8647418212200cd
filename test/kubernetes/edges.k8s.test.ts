import { must } from "@millrace/runtime";
import { waitFor } from "@millrace/testkit";
import type { Pod } from "@millrace/testkit/kubernetes";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import { percentile } from "../../services/edge/src/testing/percentile.ts";
import type { Crowd } from "../fleet/crowd.ts";
import { Cluster } from "./cluster.ts";
import { skipsKubernetes } from "./machine.ts";

const CLIENTS = 30;
const EDGES = 3;
const NODES = ["node-1", "node-2"];

const PATIENCE_MS = 300_000;
const TIMEOUT = "--timeout=300s";

let cluster: Cluster;
let crowd: Crowd | undefined;

/** By the scenario's name, which its users and rooms bear. */
async function gather(name: string, count = CLIENTS): Promise<Crowd> {
  crowd = await cluster.gather(name, count);
  return crowd;
}

function nameOf({ metadata }: Pod): string {
  return metadata.name;
}

function names(): Set<string> {
  return new Set(cluster.endpoints.pods.map(nameOf));
}

describe.skipIf(skipsKubernetes)("Edges in Kubernetes", () => {
  beforeAll(async () => {
    cluster = await Cluster.open({ brokers: inject("kafkaBrokers"), nodes: NODES });
    expect(cluster.endpoints.ready).toHaveLength(EDGES);
  });

  afterEach(() => {
    crowd?.close();
    crowd = undefined;
  });

  afterAll(() => cluster?.close());

  it("kubectl rollout restart replaces every edge and loses nothing", async () => {
    const all = await gather("restart");
    const before = names();
    await cluster.kubectl("rollout", "restart", "deployment/edge");
    await cluster.kubectl("rollout", "status", "deployment/edge", TIMEOUT);
    await cluster.whenServing(EDGES);
    expect([...names()].filter((name) => before.has(name))).toEqual([]);
    // Each of the old ones has ended by itself, in time.
    const ends = [...before].map((name) => cluster.kubelet.pod(name).exitCodes);
    expect(ends).toEqual([[0], [0], [0]]);
    const { leastReady } = await cluster.settle("kubectl rollout restart", all);
    expect(leastReady).toBeGreaterThanOrEqual(EDGES);
    expect(percentile(all.reconnects, 0.5)).toBeLessThanOrEqual(2);
  });

  it("An edge that never gets ready stops the rollout and nobody notices", async () => {
    const all = await gather("never-ready");
    const before = names();
    // It lives, and has no broker.
    await cluster.kubectl("set", "env", "deployment/edge", "EDGE_KAFKA_BROKERS=127.0.0.1:1");
    const isStarted = (): Pod | undefined =>
      cluster.endpoints.pods.find((pod) => {
        return !before.has(nameOf(pod)) && pod.status?.containerStatuses?.[0]?.started === true;
      });
    await waitFor(isStarted, { what: "the new edge has started", timeoutMs: PATIENCE_MS });
    // Probes have asked it several times when so much has been said.
    await all.whenHeard(15 * 10);
    const { pods, ready } = cluster.endpoints;
    expect(pods).toHaveLength(EDGES + 1);
    expect(new Set(ready.map(nameOf))).toEqual(before);
    await cluster.kubectl("rollout", "undo", "deployment/edge");
    await cluster.whenServing(EDGES);
    expect(names()).toEqual(before);
    const { reconnects, leastReady } = await cluster.settle("an edge that never gets ready", all);
    expect(reconnects).toBe(0);
    expect(leastReady).toBe(EDGES);
  });

  it("An edge that is killed comes back in its pod and its clients lose nothing", async () => {
    const all = await gather("killed");
    const [victim] = cluster.endpoints.ready;
    const name = nameOf(must(victim, "an edge"));
    await cluster.kubelet.pod(name).kill();
    const hasComeBack = (): boolean =>
      cluster.endpoints.ready.some((pod) => {
        return nameOf(pod) === name && pod.status?.containerStatuses?.[0]?.restartCount === 1;
      });
    await waitFor(hasComeBack, { what: `${name} is ready again`, timeoutMs: PATIENCE_MS });
    await cluster.whenServing(EDGES);
    const { leastReady } = await cluster.settle("kill -9", all);
    expect(leastReady).toBe(EDGES - 1);
  });

  it("kubectl drain empties a node one edge at a time", async () => {
    const all = await gather("drain");
    const on = (node: string): Pod[] =>
      cluster.endpoints.pods.filter(({ spec }) => spec.nodeName === node);
    const [fullest = "", other = ""] = NODES.toSorted((a, b) => on(b).length - on(a).length);
    expect(on(fullest)).toHaveLength(EDGES - 1);
    const drain = ["drain", fullest, "--ignore-daemonsets", "--delete-emptydir-data", TIMEOUT];
    const { stderr } = await cluster.kubectl(...drain);
    // The second one had to wait until the first one's successor was ready.
    expect(stderr).toContain("would violate the pod's disruption budget");
    expect(on(fullest)).toHaveLength(0);
    await cluster.whenServing(EDGES);
    expect(on(other)).toHaveLength(EDGES);
    await cluster.kubectl("uncordon", fullest);
    const { leastReady } = await cluster.settle("kubectl drain", all);
    expect(leastReady).toBe(EDGES - 1);
  });

  it("The autoscaler follows the connections up and down again", async () => {
    // At its real pace a test of it would take half an hour.
    const policies = [{ type: "Pods", value: 1, periodSeconds: 15 }];
    const metric = { name: "millrace_connections" };
    const target = { type: "AverageValue", averageValue: String(CLIENTS / 2) };
    const spec = {
      minReplicas: EDGES,
      maxReplicas: EDGES + 1,
      metrics: [{ type: "Pods", pods: { metric, target } }],
      behavior: { scaleDown: { stabilizationWindowSeconds: 5, policies } },
    };
    await cluster.kubectl("patch", "hpa/edge", "--type=merge", "-p", JSON.stringify({ spec }));
    const all = await gather("scale");
    const more = await cluster.gather("scale-more", CLIENTS);
    await cluster.whenServing(EDGES + 1);
    // Newcomers go to the new one.
    const late = await cluster.gather("scale-late", 10);
    const counts = await Promise.all(
      cluster.endpoints.ready.map((pod) => cluster.connectionsOf(pod)),
    );
    expect(counts.toSorted((a, b) => a - b)[0]).toBeGreaterThan(0);
    await cluster.settle("up by the autoscaler", more);
    for (const some of [more, late]) some.close();
    await cluster.whenServing(EDGES);
    await cluster.settle("down again by the autoscaler", all);
  });
});
