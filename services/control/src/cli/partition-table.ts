import type { PartitionView, PartitionsView } from "../api/views.ts";
import { count, perSecond, seconds } from "./amounts.ts";
import { type Tone, printable } from "./paint.ts";
import { silenceLines } from "./silence-text.ts";
import { type Column, type Layout, table } from "./table.ts";

/** Behind for so long somebody should look. */
const LATE_MS = 1_000;

const COLUMNS: readonly Column<PartitionView>[] = [
  { title: "PART", text: ({ partition }) => String(partition), isNumber: true },
  { title: "OWNER", text: ({ owner }) => owner ?? "nobody", tone: ownerTone },
  { title: "RECORDS/s", text: rateOf, isNumber: true, tone: pauseTone },
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
  // What is wrong on the brokers' side stands in a line below the table, too.
  { title: "LEADER", text: leaderOf, isNumber: true, tone: leaderTone, spare: 2 },
  { title: "IN SYNC", text: inSyncOf, isNumber: true, tone: inSyncTone, spare: 3 },
  { title: "HOTTEST", text: hottestOf, spare: 1, cutTo: 12 },
];

export function partitionsText(view: PartitionsView, layout: Layout): string {
  const { partitions } = view;
  const notes = partitions.flatMap((one) => {
    const note = noteOf(one);
    if (note === "") return [];
    const tone = isGrave(one) ? "bad" : "warn";
    return [layout.paint(tone, printable(`partition ${one.partition}: ${note}`))];
  });
  const below = [...notes, ...silenceLines(view, layout)];
  const gap = below.length > 0 ? [""] : [];
  return [table(COLUMNS, partitions, layout), ...gap, ...below].join("\n");
}

function ownerTone({ owner }: PartitionView): Tone | undefined {
  return owner === null ? "bad" : undefined;
}

function lagTone({ lagMs, isPaused }: PartitionView): Tone | undefined {
  if (lagMs === null) return "warn";
  return lagMs >= LATE_MS && !isPaused ? "bad" : undefined;
}

/** What is paused is delivered to nobody: a rate of 0 would be taken for that of the writers. */
function rateOf({ recordsPerSec, isPaused }: PartitionView): string {
  return isPaused ? "PAUSED" : perSecond(recordsPerSec);
}

function pauseTone({ isPaused }: PartitionView): Tone | undefined {
  return isPaused ? "warn" : undefined;
}

/** Without replicas Kafka did not answer. */
function leaderOf({ leader, replicas }: PartitionView): string {
  if (leader !== null) return String(leader);
  return replicas.length === 0 ? "?" : "none";
}

function leaderTone({ leader }: PartitionView): Tone | undefined {
  return leader === null ? "bad" : undefined;
}

function inSyncOf({ inSync, replicas }: PartitionView): string {
  return replicas.length === 0 ? "?" : `${inSync.length}/${replicas.length}`;
}

function inSyncTone({ inSync, replicas }: PartitionView): Tone | undefined {
  return inSync.length < replicas.length ? "bad" : undefined;
}

/** Which brokers to look for. */
function replicaNotes({ leader, replicas, inSync }: PartitionView): string[] {
  const away = replicas.filter((broker) => !inSync.includes(broker));
  const isLeaderless = leader === null && replicas.length > 0;
  return [
    isLeaderless ? `nobody leads it; last in sync: ${brokers(inSync)}` : "",
    away.length === 0
      ? ""
      : `${inSync.length} of ${replicas.length} in sync, without ${brokers(away)}`,
  ];
}

function brokers(ids: readonly number[]): string {
  if (ids.length === 0) return "no broker";
  return `${ids.length === 1 ? "broker" : "brokers"} ${ids.join(", ")}`;
}

function noteOf(view: PartitionView): string {
  const { owner, pin, isPaused, stalledOn } = view;
  const notes = [
    owner === null ? "nobody owns it" : "",
    isPaused ? "paused: nothing of it is delivered" : "",
    pin === null ? "" : `pinned to ${pin}`,
    stalledOn.length === 0 ? "" : `stands still on ${stalledOn.join(", ")}`,
    ...replicaNotes(view),
  ];
  return notes.filter(Boolean).join("; ");
}

function isGrave(view: PartitionView): boolean {
  const { owner, stalledOn } = view;
  return owner === null || stalledOn.length > 0 || replicaNotes(view).some(Boolean);
}

function hottestOf({ hottest }: PartitionView): string {
  const [first] = hottest;
  if (first === undefined) return "";
  return `${first.conversation} (${perSecond(first.recordsPerSec)}/s)`;
}
