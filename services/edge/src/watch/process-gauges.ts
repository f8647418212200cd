import { readFileSync } from "node:fs";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { type Registry, collectDefaultMetrics } from "prom-client";
import { type EdgeMetrics, createMetrics } from "../metrics.ts";
import { onScrape } from "./edge-gauges.ts";

/** How often the event loop's delay is looked at: a timer that fires late says by how much. */
const RESOLUTION_MS = 10;

/** The library's own look at the loop can't be switched off; so seldom it wakes nobody. */
const UNUSED_RESOLUTION_MS = 60_000;

const NS_PER_S = 1e9;

/** What the process as a whole does. Returns what ends the watching. */
export function sampleProcess(metrics: EdgeMetrics): () => void {
  addNodeMetrics(metrics.registry);
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  onScrape(metrics.loopDelay, (gauge) => {
    gauge.set({ quantile: "0.5" }, beyondResolution(delay.percentile(50)));
    gauge.set({ quantile: "0.99" }, beyondResolution(delay.percentile(99)));
    gauge.set({ quantile: "max" }, beyondResolution(delay.max));
    delay.reset();
  });
  let before = performance.eventLoopUtilization();
  onScrape(metrics.loopUtilisation, (gauge) => {
    const now = performance.eventLoopUtilization();
    gauge.set(performance.eventLoopUtilization(now, before).utilization);
    before = now;
  });
  metrics.buildInfo.set({ version: versionOf(), node: process.version }, 1);
  return () => delay.disable();
}

/** Everything that the page of an edge has, what is the process's included. */
export function pageNames(): string[] {
  const { registry } = createMetrics();
  addNodeMetrics(registry);
  return registry.getMetricsAsArray().map(({ name }) => name);
}

/** What the library says of the loop's delay counts its own interval as delay; ours does not. */
function addNodeMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: UNUSED_RESOLUTION_MS });
  for (const { name } of registry.getMetricsAsArray()) {
    if (name.startsWith("nodejs_eventloop_lag_")) registry.removeSingleMetric(name);
  }
}

/** The histogram holds times between two looks, so that a loop that is never late shows 10 ms. */
function beyondResolution(ns: number): number {
  return Math.max(0, ns / NS_PER_S - RESOLUTION_MS / 1_000);
}

/** What runs here, as its package says. */
export function versionOf(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
