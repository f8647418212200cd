import type { ExplanationView, FindingView } from "../api/views.ts";
import { bytes, count, duration } from "./amounts.ts";
import { printable } from "./paint.ts";
import { type Column, type Layout, table } from "./table.ts";
import { wrapped } from "./wrapping.ts";

type Connection = NonNullable<ExplanationView["connections"]>[number];
type OnEdge = NonNullable<ExplanationView["onEdges"]>[number];

const CONNECTIONS: readonly Column<Connection>[] = [
  { title: "CONNECTION", text: ({ connection }) => connection },
  { title: "EDGE", text: ({ edge }) => edge },
  { title: "DEVICE", text: ({ device }) => device ?? "-", spare: 1 },
  { title: "SUBS", text: ({ subscriptionsTotal }) => count(subscriptionsTotal), isNumber: true },
  {
    title: "QUEUED",
    text: ({ bufferedBytes, waitingBytes }) => bytes(bufferedBytes + waitingBytes),
    isNumber: true,
  },
  { title: "QUIET", text: ({ quietMs }) => duration(quietMs), isNumber: true },
  {
    title: "TOKEN",
    text: ({ tokenExpiresInMs }) =>
      tokenExpiresInMs <= 0 ? "expired" : duration(tokenExpiresInMs),
    isNumber: true,
    tone: ({ tokenExpiresInMs }) => (tokenExpiresInMs <= 0 ? "bad" : undefined),
  },
];

const ON_EDGES: readonly Column<OnEdge>[] = [
  { title: "EDGE", text: ({ edge }) => edge },
  { title: "LIVE", text: ({ live }) => count(live), isNumber: true },
  { title: "CATCHING UP", text: ({ catchingUp }) => count(catchingUp), isNumber: true },
  { title: "LAGGING", text: ({ lagging }) => count(lagging), isNumber: true },
  { title: "LAST", text: ({ lastPosition }) => lastPosition ?? "-" },
];

/** Why somebody hears nothing: the verdict first, then what it follows from. */
export function explanationText(explanation: ExplanationView, layout: Layout): string {
  const { verdict, findings, connections = [], onEdges = [] } = explanation;
  const { paint } = layout;
  const isFine = findings.every(({ isOk }) => isOk);
  return [
    paint(isFine ? "good" : "bad", wrapped(printable(verdict), layout, 0)),
    "",
    ...findings.map((finding) => findingLine(finding, findings, layout)),
    ...(connections.length === 0 ? [] : ["", table(CONNECTIONS, connections, layout)]),
    ...(onEdges.length === 0 ? [] : ["", table(ON_EDGES, onEdges, layout)]),
  ].join("\n");
}

function findingLine(
  { isOk, about, text }: FindingView,
  all: readonly FindingView[],
  layout: Layout,
): string {
  const { paint } = layout;
  const width = Math.max(...all.map((finding) => finding.about.length));
  const mark = isOk ? paint("good", "✓") : paint("bad", "✗");
  const indent = width + 4;
  const room = { ...layout, width: layout.width - indent };
  const lines = wrapped(printable(text), room, 0).replaceAll("\n", `\n${" ".repeat(indent)}`);
  return `${mark} ${printable(about).padEnd(width)}  ${lines}`;
}
