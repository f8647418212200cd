import type { ProblemView, StatusView } from "../api/views.ts";
import { perSecond, plural } from "./amounts.ts";
import { edgeTable } from "./edge-table.ts";
import { type Paint, printable } from "./paint.ts";
import { silenceLines } from "./silence-text.ts";
import type { Layout } from "./table.ts";
import { wrapped } from "./wrapping.ts";

/** The whole, in one look: what there is, how it does, and what somebody should look at. */
export function statusText(status: StatusView, layout: Layout): string {
  const { topic, delivery, totals, problems, edges } = status;
  const { paint } = layout;
  const head = `${topic}, ${plural(totals.partitions, "partition")}, delivery ${delivery}`;
  return [
    paint("strong", printable(head)),
    surroundings(status, paint),
    `${plural(totals.connections, "connection")}, ${plural(totals.subscriptions, "subscription")}; ` +
      `${perSecond(totals.publishesPerSec)} publishes/s, ` +
      `${perSecond(totals.deliveriesPerSec)} deliveries/s`,
    "",
    edges.length === 0 ? "No edge answers." : edgeTable(edges, layout),
    ...silenceLines({ unreachable: unnamed(status) }, layout),
    "",
    ...problemLines(problems, layout),
  ].join("\n");
}

function surroundings({ kafka, group }: StatusView, paint: Paint): string {
  const brokers = kafka.isUp
    ? `Kafka is up, ${plural(kafka.brokers, "broker")}`
    : paint("bad", "Kafka does not answer");
  const replicas =
    kafka.underReplicated === 0
      ? "all replicas in sync"
      : paint("warn", `${plural(kafka.underReplicated, "partition")} short of replicas`);
  const members = `group ${printable(group.state)}, ${plural(group.members, "member")}`;
  return `${brokers}${kafka.isUp ? `, ${replicas}` : ""}; ${members}`;
}

/** Silent edges that no problem names, with what to do. */
function unnamed({ unreachable, problems }: StatusView): StatusView["unreachable"] {
  return unreachable.filter(({ address }) => !problems.some(({ what }) => what.includes(address)));
}

function problemLines(problems: readonly ProblemView[], layout: Layout): string[] {
  const { paint } = layout;
  if (problems.length === 0) return [paint("good", "Nothing needs attention.")];
  return problems.flatMap(({ severity, what, advice }) => [
    paint(
      severity === "critical" ? "bad" : "warn",
      wrapped(printable(`${severity}: ${what}`), layout),
    ),
    `  ${wrapped(printable(advice), { ...layout, width: layout.width - 2 })}`,
  ]);
}
