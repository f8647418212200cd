import type { PartitionView } from "../api/views.ts";
import { count, perSecond, seconds } from "./amounts.ts";
import type { Tone } from "./paint.ts";
import { type Column, type Layout, table } from "./table.ts";

/** Behind for so long somebody should look. */
const LATE_MS = 1_000;

const COLUMNS: readonly Column<PartitionView>[] = [
  { title: "PART", text: ({ partition }) => String(partition), isNumber: true },
  { title: "OWNER", text: ({ owner }) => owner ?? "nobody", tone: ownerTone },
  { title: "RECORDS/s", text: ({ recordsPerSec }) => perSecond(recordsPerSec), isNumber: true },
  {
    title: "LAG",
    text: ({ lag }) => (lag === null ? "?" : count(lag)),
    isNumber: true,
    tone: lagTone,
  },
  {
    title: "LAG s",
    text: ({ lagMs }) => (lagMs === null ? "?" : seconds(lagMs)),
    isNumber: true,
    tone: lagTone,
  },
  { title: "SOCKETS", text: ({ subscribers }) => count(subscribers), isNumber: true },
  { title: "NOTE", text: notesOf, tone: (view) => (isGrave(view) ? "bad" : "warn") },
  { title: "HOTTEST", text: hottestOf, spare: 1 },
];

export function partitionsText(partitions: readonly PartitionView[], layout: Layout): string {
  return table(COLUMNS, partitions, layout);
}

function ownerTone({ owner }: PartitionView): Tone | undefined {
  return owner === null ? "bad" : undefined;
}

function lagTone({ lagMs, isPaused }: PartitionView): Tone | undefined {
  if (lagMs === null) return "warn";
  return lagMs >= LATE_MS && !isPaused ? "bad" : undefined;
}

function notesOf({ pin, isPaused, stalledOn, replicas, inSync }: PartitionView): string {
  const notes = [
    isPaused ? "paused" : "",
    pin === null ? "" : `pinned to ${pin}`,
    stalledOn.length === 0 ? "" : `stands still on ${stalledOn.join(", ")}`,
    inSync.length < replicas.length ? `${inSync.length} of ${replicas.length} in sync` : "",
  ];
  return notes.filter(Boolean).join("; ");
}

function isGrave({ stalledOn, replicas, inSync }: PartitionView): boolean {
  return stalledOn.length > 0 || inSync.length < replicas.length;
}

function hottestOf({ hottest }: PartitionView): string {
  const [first] = hottest;
  if (first === undefined) return "";
  return `${first.conversation} (${perSecond(first.recordsPerSec)}/s)`;
}
