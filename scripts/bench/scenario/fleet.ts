import { setTimeout as sleep } from "node:timers/promises";
import type { Delivery } from "../../../services/edge/src/config.ts";
import { BenchFleet } from "../fleet/bench-fleet.ts";
import type { LoadFleet } from "../load/load-fleet.ts";
import { allOf } from "../load/loads.ts";
import {
  type Bench,
  type Scenario,
  type ScenarioResult,
  type Variant,
  measure,
  notesOf,
  opened,
  settled,
  windowsOf,
} from "./measured.ts";

/** As in development; what more of them cost an edge, `relay-records` tells. */
const PARTITIONS = 12;

/** Writers of one conversation each, and ten readers of each conversation. */
const ACROSS = { writers: 100, readers: 1_000, conversations: 100, perS: 200 } as const;

/** Members of conversations whose others are on all edges. */
const SPREAD = { clients: 999, conversations: 111, perS: 200 } as const;

/**
 * Without keys: as long as Redis is younger than the window of keys it proves none, and edges that are
 * relayed to would read the log themselves for each key that they are given.
 */
const hasKeys = false;

const WINDOWS = { full: { warmUpS: 3, seconds: 15 }, quick: { warmUpS: 2, seconds: 4 } } as const;

/** Where those read who hear what the clients of edge `one` write. */
export type Way = "same" | "direct" | "relay";

/**
 * Everybody writes on edge `one`; everybody reads there, or on edge `two`, which reads the log itself
 * or is relayed to by `one`, the owner of all partitions. Both edges are there each time, so that
 * nothing else differs.
 */
export function acrossEdges(name: string, way: Way): Scenario {
  return async (bench, variant) => {
    const delivery: Delivery = way === "relay" ? "relay" : "direct";
    const { stage } = bench;
    const fleet = await BenchFleet.open(stage, {
      edges: { one: delivery, two: delivery },
      partitions: PARTITIONS,
      ...(way === "relay" && { owner: "one" }),
      env: variant.env,
    });
    const writers = await stage.fleet(1);
    const readers = await stage.fleet(1);
    const readAt = fleet.edge(way === "same" ? "one" : "two");
    try {
      const { scale } = bench;
      const conversations = Math.max(1, Math.floor(ACROSS.conversations * scale));
      const count = Math.ceil(ACROSS.writers * scale);
      const place = { port: fleet.edge("one").port, conversations, hasKeys };
      await opened(writers, bench, { ...place, count, subscribes: false });
      await opened(readers, bench, {
        port: readAt.port,
        conversations,
        count: Math.ceil(ACROSS.readers * scale),
        first: count,
      });
      const publishing = [{ load: writers, perS: ACROSS.perS * scale }];
      return await measured({ name, bench, variant, fleet, loads: [writers, readers] }, publishing);
    } finally {
      await Promise.all([writers.end(), readers.end()]);
      await fleet.close();
    }
  };
}

/** The same clients and the same rate on so many edges, each of which has some of each conversation. */
export function spreadOver(name: string, edges: number, delivery: Delivery): Scenario {
  return async (bench, variant) => {
    const names = Array.from({ length: edges }, (_, index) => `edge-${index + 1}`);
    const { stage, scale } = bench;
    const fleet = await BenchFleet.open(stage, {
      edges: Object.fromEntries(names.map((edge) => [edge, delivery])),
      partitions: PARTITIONS,
      env: variant.env,
    });
    const loads: LoadFleet[] = [];
    try {
      const count = Math.ceil((SPREAD.clients * scale) / edges);
      const conversations = Math.max(1, Math.floor(SPREAD.conversations * scale));
      for (const [index, edge] of names.entries()) {
        const load = await stage.fleet(1);
        loads.push(load);
        const place = { port: fleet.edge(edge).port, conversations, hasKeys };
        await opened(load, bench, { ...place, count, first: index * count });
      }
      const publishing = loads.map((load) => ({ load, perS: (SPREAD.perS * scale) / edges }));
      return await measured({ name, bench, variant, fleet, loads }, publishing);
    } finally {
      await Promise.all(loads.map((load) => load.end()));
      await fleet.close();
    }
  };
}

async function measured(
  parts: {
    readonly name: string;
    readonly bench: Bench;
    readonly variant: Variant;
    readonly fleet: BenchFleet;
    readonly loads: readonly LoadFleet[];
  },
  publishing: readonly { readonly load: LoadFleet; readonly perS: number }[],
): Promise<ScenarioResult> {
  const { name, bench, variant, fleet } = parts;
  const loads = allOf(parts.loads);
  const { warmUpS, seconds } = windowsOf(bench, WINDOWS);
  await fleet.whenRelayed();
  for (const { load, perS } of publishing) await load.publish(perS);
  await sleep(warmUpS * 1_000);
  const figures = await measure(bench, loads, {}, seconds);
  const stray = await fleet.strayReads();
  await settled(loads);
  const cpus = Object.entries(figures.edgeCpus ?? {});
  return {
    scenario: name,
    variant: variant.name,
    figures,
    more: Object.fromEntries(
      cpus.map(([edge, cpu]) => [
        `µs/delivery of edge ${edge}`,
        (cpu * 1e6) / figures.deliveriesPerS,
      ]),
    ),
    notes: [...notesOf(figures), ...strayNotes(stray)],
  };
}

/** Said where an edge had to help itself: then the figures are not those of the relay alone. */
export function strayNotes(stray: number): string[] {
  return stray === 0 ? [] : [`${stray} partitions were also read by an edge that is relayed to`];
}
