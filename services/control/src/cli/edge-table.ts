import type { EdgeView, EdgesView } from "../api/views.ts";
import { bytes, count, duration, perSecond, share } from "./amounts.ts";
import type { Tone } from "./paint.ts";
import { silenceLines } from "./silence-text.ts";
import { type Column, type Layout, table } from "./table.ts";

const CORE: readonly Column<EdgeView>[] = [
  { title: "EDGE", text: ({ id }) => id },
  { title: "STATE", text: stateOf, tone: stateTone },
  { title: "CONNECTIONS", text: ({ connections }) => count(connections), isNumber: true },
  { title: "OWNS", text: ({ owned }) => count(owned.length), isNumber: true },
  {
    title: "PUBLISHES/s",
    text: ({ publishesPerSec }) => perSecond(publishesPerSec),
    isNumber: true,
    spare: 2,
  },
  {
    title: "DELIVERIES/s",
    text: ({ deliveriesPerSec }) => perSecond(deliveriesPerSec),
    isNumber: true,
    spare: 1,
  },
];

const MORE: readonly Column<EdgeView>[] = [
  { title: "PID", text: ({ pid }) => String(pid), isNumber: true, spare: 6 },
  { title: "EDGE", text: ({ id }) => id },
  { title: "STATE", text: stateOf, tone: stateTone },
  { title: "CONN", text: ({ connections }) => count(connections), isNumber: true },
  { title: "SUBS", text: ({ subscriptions }) => count(subscriptions), isNumber: true, spare: 4 },
  { title: "OWNS", text: ({ owned }) => count(owned.length), isNumber: true },
  { title: "WEIGHT", text: ({ weight }) => String(weight), isNumber: true, spare: 5 },
  {
    title: "LAGGING",
    text: ({ lagging }) => count(lagging),
    isNumber: true,
    tone: ({ lagging }) => (lagging > 0 ? "warn" : undefined),
    spare: 2,
  },
  { title: "QUEUED", text: ({ bufferedBytes }) => bytes(bufferedBytes), isNumber: true, spare: 3 },
  { title: "MEM", text: ({ memoryShare }) => share(memoryShare), isNumber: true, spare: 1 },
  { title: "P99", text: latencyOf, isNumber: true, spare: 0 },
];

/** For the whole in one look. */
export function edgeTable(edges: readonly EdgeView[], layout: Layout): string {
  return table(CORE, edges, layout);
}

/** For whoever looks at the edges. */
export function edgesText(view: EdgesView, nowMs: number, layout: Layout): string {
  const { edges } = view;
  const silent = silenceLines(view, layout);
  if (edges.length === 0) {
    return ["No edge answers; npx millrace status says what to do.", ...silent].join("\n");
  }
  const age = {
    title: "UP",
    text: ({ startedAtMs }: EdgeView) => duration(nowMs - startedAtMs),
    isNumber: true,
    spare: 7,
  };
  return [table([...MORE, age], edges, layout), ...silent].join("\n");
}

function stateOf({ state, isReady, isRedisUp }: EdgeView): string {
  const word = state === "serving" && !isReady ? "not ready" : state;
  return isRedisUp ? word : `${word}, no Redis`;
}

function stateTone({ state, isReady, isRedisUp }: EdgeView): Tone | undefined {
  if (state === "serving") return isReady && isRedisUp ? "good" : "bad";
  return "warn";
}

/** From the record's append until the socket has it; the slowest of a hundred. */
function latencyOf({ deliveryLatency }: EdgeView): string {
  return deliveryLatency === null ? "-" : `${Math.round(deliveryLatency.p99Ms)} ms`;
}
