import { partitionOf } from "@millrace/schemas";
import { setTimeout as sleep } from "node:timers/promises";
import { RELAY_BUCKETS, bucketOf } from "../../../services/edge/src/relay/relay-bucket.ts";
import { BenchFleet } from "../fleet/bench-fleet.ts";
import { type RecordCosts, recordCosts } from "../fleet/record-costs.ts";
import type { LoadFleet } from "../load/load-fleet.ts";
import type { Load } from "../load/load-protocol.ts";
import { allOf } from "../load/loads.ts";
import type { RecordWriter } from "../load/record-writer.ts";
import { conversationName } from "../load/stamped-frame.ts";
import { strayNotes } from "./fleet.ts";
import { type WithPieces, measureWithPieces } from "./with-pieces.ts";
import {
  type Bench,
  type Scenario,
  type ScenarioResult,
  type Variant,
  notesOf,
  opened,
  windowsOf,
} from "./measured.ts";

const PARTITIONS = 48;
/** What a record costs depends on how many share a request. */
export const RECORD_RATES = [200, 1_500, 6_000];
const WINDOWS = { full: { warmUpS: 3, seconds: 15 }, quick: { warmUpS: 2, seconds: 5 } } as const;

const WARM_UPS = 3;

/** More names than it takes to find two for each bucket. */
const NAMES = 99_999;

/** The edges: who owns all partitions, who is relayed to, and who reads the log itself. */
const EDGES = { owner: "relay", relayed: "relay", direct: "direct" } as const;

interface Parts {
  readonly bench: Bench;
  readonly fleet: BenchFleet;
  readonly writer: RecordWriter;
  readonly readers: readonly LoadFleet[];
  /** Records a second, at the run's scale. */
  readonly rates: readonly number[];
  readonly rooms: Rooms;
}

/**
 * What one record costs an edge that reads it, one that is relayed it, and the one that owns its
 * partition, where somebody wants it and where nobody does. All three see the same traffic in the
 * same windows; the controls are the same edges without it.
 */
export function relayRecords(name: string, rates: readonly number[]): Scenario {
  return (bench, variant) => measured({ name, rates, bench, variant });
}

async function measured(wish: {
  readonly name: string;
  readonly rates: readonly number[];
  readonly bench: Bench;
  readonly variant: Variant;
}): Promise<ScenarioResult> {
  const { name, bench, variant } = wish;
  const { stage, scale, seed } = bench;
  const partitions = Math.max(1, Math.floor(PARTITIONS * scale));
  const fleet = await BenchFleet.open(stage, {
    edges: EDGES,
    partitions,
    owner: "owner",
    env: variant.env,
  });
  const writer = await stage.writer(fleet.topic, seed);
  const readers = [await stage.fleet(1), await stage.fleet(1)];
  try {
    const rates = wish.rates.map((rate) => rate * scale);
    const parts = { bench, fleet, writer, readers, rates, rooms: roomsOf(partitions) };
    const { costs, windows } = await allWindows(parts);
    const stray = await fleet.strayReads();
    const notes = new Set(windows.flatMap(({ figures }) => notesOf(figures)));
    return {
      scenario: name,
      variant: variant.name,
      steps: windows.map(({ figures }) => figures),
      more: costs,
      notes: [...notes, ...strayNotes(stray)],
    };
  } finally {
    await Promise.all([writer.end(), ...readers.map((fleetOfReaders) => fleetOfReaders.end())]);
    await fleet.close();
  }
}

async function allWindows(
  parts: Parts,
): Promise<{ readonly costs: RecordCosts; readonly windows: readonly WithPieces[] }> {
  const { fleet, rates, rooms } = parts;
  await warmUp(parts);
  await fleet.whenRelayed();
  const alone = await windowOf(parts, "nobody reads, nothing is written");
  await enter(parts);
  await warmUp(parts);
  await fleet.whenRelayed();
  const silent = await windowOf(parts, "all buckets are followed, nothing is written");
  const windows = [alone, silent];
  const costs: Record<string, number> = {};
  for (const perS of rates) {
    const discarded = await windowOf(parts, "discarded", { perS, rooms: rooms.other });
    const wanted = await windowOf(parts, "wanted", { perS, rooms: rooms.read });
    windows.push(discarded, wanted);
    const seen = { alone, silent, discarded, wanted };
    Object.assign(costs, recordCosts(seen, `at ${perS}/s`));
  }
  return { costs, windows };
}

/** What runs for the first time is compiled: it would count as what the first rate costs. */
async function warmUp({ bench, writer, rates, rooms }: Parts): Promise<void> {
  await writer.publish(Math.max(...rates), rooms.read);
  await sleep(WARM_UPS * windowsOf(bench, WINDOWS).warmUpS * 1_000);
  await writer.quiet();
}

/** A reader in each bucket, on the edge that is relayed to and on the one that reads itself. */
async function enter({ bench, fleet, readers, rooms }: Parts): Promise<void> {
  for (const [index, edge] of ["relayed", "direct"].entries()) {
    const load = readers[index];
    const conversations = rooms.read.length;
    const place = { port: fleet.edge(edge).port, count: conversations, conversations };
    if (load !== undefined) await opened(load, bench, { ...place, rooms: rooms.read });
  }
}

async function windowOf(
  { bench, writer, readers }: Parts,
  what: string,
  traffic?: { readonly perS: number; readonly rooms: readonly number[] },
): Promise<WithPieces> {
  const loads: Load = allOf([writer, ...readers]);
  const { warmUpS, seconds } = windowsOf(bench, WINDOWS);
  if (traffic === undefined) await writer.quiet();
  else await writer.publish(traffic.perS, traffic.rooms);
  await sleep(warmUpS * 1_000);
  const seen = await measureWithPieces(bench, loads, seconds);
  await writer.quiet();
  bench.tell(`relay-records: ${what}: ${lineOf(seen)}`);
  return seen;
}

function lineOf({ figures, piecesPerS }: WithPieces): string {
  const { edgeCpus = {}, publishesPerS, deliveriesPerS } = figures;
  const cpus = Object.entries(edgeCpus).map(([name, cpu]) => `${name} ${(cpu * 100).toFixed(1)} %`);
  const rates = `${Math.round(publishesPerS)}/s → ${Math.round(deliveriesPerS)}/s`;
  return `${rates}, ${Math.round(piecesPerS)} pieces/s, ${cpus.join(", ")}`;
}

interface Rooms {
  /** One conversation of each bucket, in which somebody reads. */
  readonly read: readonly number[];
  /** Another of each bucket, in which nobody does. */
  readonly other: readonly number[];
}

function roomsOf(partitions: number): Rooms {
  const read = new Map<number, number>();
  const other = new Map<number, number>();
  for (let room = 0; room < NAMES && other.size < partitions * RELAY_BUCKETS; room++) {
    const key = Buffer.from(conversationName(room));
    const bucket = partitionOf(key, partitions) * RELAY_BUCKETS + bucketOf(key);
    if (!read.has(bucket)) read.set(bucket, room);
    else if (!other.has(bucket)) other.set(bucket, room);
  }
  return { read: [...read.values()], other: [...other.values()] };
}
