import { setTimeout as sleep } from "node:timers/promises";
import { BenchFleet } from "../fleet/bench-fleet.ts";
import { type WithPieces, measureWithPieces } from "./with-pieces.ts";
import { allOf } from "../load/loads.ts";
import { RAISED, lastNotes, risingSteps } from "./chat.ts";
import type { Figures } from "./figures.ts";
import { strayNotes } from "./fleet.ts";
import { type Scenario, notesOf, opened, settled, windowsOf } from "./measured.ts";

const PARTITIONS = 12;
const ROOMS = 100;
const FIRST_PER_S = 500;
const WARM_UPS = 3;

/**
 * What the relay carries, and what Redis does for it: records are written past the edges, one edge
 * owns all partitions, and each record has one reader, on the other edge. The rate rises until the
 * p99 passes its bound.
 */
export const relayRaised: Scenario = async (bench, variant) => {
  const { stage, scale, seed } = bench;
  const fleet = await BenchFleet.open(stage, {
    edges: { owner: "relay", reader: "relay" },
    partitions: PARTITIONS,
    owner: "owner",
    env: variant.env,
  });
  const readers = await stage.fleet(1);
  const writer = await stage.writer(fleet.topic, seed);
  const loads = allOf([readers, writer]);
  const { warmUpS, seconds } = windowsOf(bench, RAISED);
  const count = Math.max(1, Math.floor(ROOMS * scale));
  const rooms = Array.from({ length: count }, (_, room) => room);
  const all: WithPieces[] = [];
  const measureAt = async (perS: number): Promise<Figures> => {
    await writer.publish(perS, rooms);
    await sleep(warmUpS * 1_000);
    const step = await measureWithPieces(bench, loads, seconds);
    all.push(step);
    bench.tell(`relay-raised: ${lineOf(step)}`);
    await settled(loads);
    return step.figures;
  };
  try {
    const { port } = fleet.edge("reader");
    await opened(readers, bench, { port, count, conversations: count });
    // What runs for the first time is compiled: it would be the first step's latency.
    await writer.publish(FIRST_PER_S * scale, rooms);
    await sleep(WARM_UPS * warmUpS * 1_000);
    await settled(loads);
    await fleet.whenRelayed();
    const isWithin = ({ p99Ms }: Figures): boolean => p99Ms <= bench.p99MsMax;
    const steps = await risingSteps(FIRST_PER_S * scale, isWithin, measureAt);
    const stray = await fleet.strayReads();
    const best = all.filter(({ figures }) => isWithin(figures)).toSorted(byRecords)[0] ?? all[0];
    return {
      scenario: "relay-raised",
      variant: variant.name,
      ...(best && { figures: best.figures }),
      steps,
      more: best === undefined ? {} : costOf(best),
      notes: [
        ...lastNotes(steps),
        ...(best === undefined ? [] : notesOf(best.figures)),
        ...strayNotes(stray),
      ],
    };
  } finally {
    await Promise.all([readers.end(), writer.end()]);
    await fleet.close();
  }
};

function byRecords(one: WithPieces, other: WithPieces): number {
  return other.figures.deliveriesPerS - one.figures.deliveriesPerS;
}

function costOf({ figures, piecesPerS }: WithPieces): Record<string, number> {
  const { redisCpu, deliveriesPerS } = figures;
  return {
    "pieces/s": piecesPerS,
    "µs CPU of Redis per piece": (redisCpu * 1e6) / piecesPerS,
    "µs CPU of Redis per record": (redisCpu * 1e6) / deliveriesPerS,
    "records/s per Redis core": deliveriesPerS / redisCpu,
  };
}

function lineOf({ figures, piecesPerS }: WithPieces): string {
  const { publishesPerS, deliveriesPerS, p99Ms, redisCpu, loadLimit } = figures;
  const rates = `${Math.round(publishesPerS)}/s → ${Math.round(deliveriesPerS)}/s in ${Math.round(piecesPerS)} pieces/s`;
  const limit = loadLimit === undefined ? "" : ` (load: ${loadLimit})`;
  return `${rates}, p99 ${p99Ms.toFixed(1)} ms, Redis ${Math.round(redisCpu * 100)} %${limit}`;
}
