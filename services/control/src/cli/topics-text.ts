import type { ReassignmentView, TopicView } from "../api/views.ts";
import { bytes, plural } from "./amounts.ts";
import { printable } from "./paint.ts";
import { type Column, type Layout, table } from "./table.ts";

/** The topics' settings against the promises that need them. */
export function topicsText(topics: readonly TopicView[], { paint }: Layout): string {
  const lines = topics.flatMap(({ topic, purpose, problems }) => [
    `${problems.length === 0 ? paint("good", "✓") : paint("bad", "✗")} ${printable(`${topic}: ${purpose}`)}`,
    ...problems.flatMap(({ setting, value, wanted, promise }) => [
      paint("bad", `    ${printable(`${setting} is ${value}, and should be ${wanted}`)}`),
      `    ${printable(promise)}`,
    ]),
  ]);
  const wrong = topics.flatMap(({ problems }) => problems).length;
  const verdict =
    wrong === 0
      ? "All topics keep the promises."
      : `${plural(wrong, "setting breaks", "settings break")} a promise.`;
  return [...lines, "", verdict].join("\n");
}

type Moving = ReassignmentView["partitions"][number];

const MOVING: readonly Column<Moving>[] = [
  { title: "TOPIC", text: ({ topic }) => topic },
  { title: "PART", text: ({ partition }) => String(partition), isNumber: true },
  { title: "REPLICAS", text: ({ replicas }) => replicas.join(",") },
  { title: "ADDING", text: ({ adding }) => adding.join(",") || "-" },
  { title: "REMOVING", text: ({ removing }) => removing.join(",") || "-" },
];

/** Replicas on their way from broker to broker. */
export function reassignmentText(view: ReassignmentView, layout: Layout): string {
  const { isRunning, throttleBytesPerSec, partitions } = view;
  const throttle =
    throttleBytesPerSec === null
      ? "No throttle is set."
      : `The throttle is ${bytes(throttleBytesPerSec)}/s.`;
  if (!isRunning && partitions.length === 0) return `No replica is on its way. ${throttle}`;
  const head = `${plural(partitions.length, "partition is", "partitions are")} on the way. ${throttle}`;
  return [head, "", table(MOVING, partitions, layout)].join("\n");
}
