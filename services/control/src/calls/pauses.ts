import type { PlanView } from "../api/views.ts";
import { counted } from "../counted.ts";
import { partitionViews } from "../overview/partition-views.ts";
import type { Overview } from "../overview/overview.ts";
import { assertPartition, fieldsOf, partitionIn } from "./call-words.ts";
import { order } from "./edge-orders.ts";
import type { CallContext, OperatorCall, PreparedCall } from "./operator-call.ts";

const PATH = "/v1/pauses/:partition";

export const PAUSE_CALLS: readonly OperatorCall[] = [
  {
    method: "PUT",
    path: PATH,
    action: "pause",
    prepare: (call) => {
      fieldsOf(call, []);
      return prepared(partitionIn(call.names["partition"]), { isPause: true });
    },
  },
  {
    method: "DELETE",
    path: PATH,
    action: "resume",
    prepare: (call) => {
      fieldsOf(call, []);
      return prepared(partitionIn(call.names["partition"]), { isPause: false });
    },
  },
];

function prepared(partition: number, { isPause }: { readonly isPause: boolean }): PreparedCall {
  return {
    parameters: { partition },
    plan: ({ overview }) => {
      assertPartition(overview, partition);
      return isPause ? pausePlan(overview, partition) : resumePlan(overview, partition);
    },
    run: (context) => run(context, partition, isPause),
  };
}

async function run(context: CallContext, partition: number, isPause: boolean) {
  assertPartition(context.overview, partition);
  const path = `/v1/pauses/${partition}`;
  if (isPause)
    await order(context, { method: "PUT", path }, { undo: `\`millrace resume ${partition}\`` });
  else await order(context, { method: "DELETE", path });
  const done = isPause
    ? `Partition ${partition} is paused on every edge until it is resumed.`
    : `Partition ${partition} is delivered again, from where it stopped.`;
  return { done };
}

function pausePlan(overview: Overview, partition: number): PlanView {
  const { subscribers = 0, recordsPerSec = 0 } = partitionViews(overview)[partition] ?? {};
  return {
    action: `pause partition ${partition}`,
    effects: [
      `Nothing of partition ${partition} is delivered on any edge until it is resumed: ${hearers(subscribers)} nothing of ${counted(Math.round(recordsPerSec), "record")} a second.`,
      "What is published meanwhile is stored, and delivered in order when it is resumed. It must be resumed before the topic's retention has passed what waits.",
      "No client has to connect again.",
    ],
    moves: [],
    reconnects: 0,
    isDangerous: true,
  };
}

function resumePlan(overview: Overview, partition: number): PlanView {
  const view = partitionViews(overview)[partition];
  return {
    action: `resume partition ${partition}`,
    effects: [
      view?.isPaused === true
        ? `Partition ${partition} is delivered again, from where it stopped: ${waiting(view.lag)}.`
        : `Partition ${partition} is not paused.`,
    ],
    moves: [],
    reconnects: 0,
    isDangerous: false,
  };
}

function hearers(subscribers: number): string {
  return `${counted(subscribers, "subscriber")} ${subscribers === 1 ? "hears" : "hear"}`;
}

function waiting(lag: number | null): string {
  if (lag === null) return "all records that came meanwhile are waiting";
  return `${counted(lag, "record")} ${lag === 1 ? "is" : "are"} waiting`;
}
