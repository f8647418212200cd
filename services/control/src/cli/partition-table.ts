import type { PartitionView } from "../api/views.ts";
import { count, perSecond, seconds } from "./amounts.ts";
import { type Tone, printable } from "./paint.ts";
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
  { title: "HOTTEST", text: hottestOf, spare: 1, cutTo: 12 },
];

export function partitionsText(partitions: readonly PartitionView[], layout: Layout): string {
  const notes = partitions.flatMap((view) => {
    const note = noteOf(view);
    if (note === "") return [];
    const tone = isGrave(view) ? "bad" : "warn";
    return [layout.paint(tone, printable(`partition ${view.partition}: ${note}`))];
  });
  const gap = notes.length > 0 ? [""] : [];
  return [table(COLUMNS, partitions, layout), ...gap, ...notes].join("\n");
}

function ownerTone({ owner }: PartitionView): Tone | undefined {
  return owner === null ? "bad" : undefined;
}

function lagTone({ lagMs, isPaused }: PartitionView): Tone | undefined {
  if (lagMs === null) return "warn";
  return lagMs >= LATE_MS && !isPaused ? "bad" : undefined;
}

function noteOf({ owner, pin, isPaused, stalledOn, replicas, inSync }: PartitionView): string {
  const notes = [
    owner === null ? "nobody owns it" : "",
    isPaused ? "paused" : "",
    pin === null ? "" : `pinned to ${pin}`,
    stalledOn.length === 0 ? "" : `stands still on ${stalledOn.join(", ")}`,
    inSync.length < replicas.length ? `${inSync.length} of ${replicas.length} in sync` : "",
  ];
  return notes.filter(Boolean).join("; ");
}

function isGrave({ owner, stalledOn, replicas, inSync }: PartitionView): boolean {
  return owner === null || stalledOn.length > 0 || inSync.length < replicas.length;
}

function hottestOf({ hottest }: PartitionView): string {
  const [first] = hottest;
  if (first === undefined) return "";
  return `${first.conversation} (${perSecond(first.recordsPerSec)}/s)`;
}
