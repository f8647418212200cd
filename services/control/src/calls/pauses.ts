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

/**
 * What is so already is ordered again: the edge that tells of it may not know of a later word, which must
 * not win over this one.
 */
async function run(context: CallContext, partition: number, isPause: boolean) {
  assertPartition(context.overview, partition);
  const isSame = isPausedIn(context.overview, partition) === isPause;
  const path = `/v1/pauses/${partition}`;
  if (isPause)
    await order(context, { method: "PUT", path }, { undo: `\`millrace resume ${partition}\`` });
  else await order(context, { method: "DELETE", path });
  return { done: doneSentence(partition, isPause, isSame) };
}

function doneSentence(partition: number, isPause: boolean, isSame: boolean): string {
  if (isSame) return `Partition ${partition} was ${pauseWord(isPause)}: nothing changes.`;
  return isPause
    ? `Partition ${partition} is paused on every edge until it is resumed.`
    : `Partition ${partition} is delivered again, from where it stopped.`;
}

/** Undefined: no edge tells of the orders. */
function isPausedIn({ edges }: Overview, partition: number): boolean | undefined {
  return edges.orders?.pauses.some((one) => one.partition === partition);
}

function pauseWord(isPaused: boolean): string {
  return isPaused ? "paused already" : "not paused";
}

function pausePlan(overview: Overview, partition: number): PlanView {
  const isSame = isPausedIn(overview, partition) === true;
  return {
    action: `pause partition ${partition}`,
    effects: isSame ? [sameSentence(partition, true)] : pauseEffects(overview, partition),
    moves: [],
    isForetold: true,
    reconnects: 0,
    isDangerous: !isSame,
  };
}

function pauseEffects(overview: Overview, partition: number): string[] {
  const view = partitionViews(overview)[partition];
  const { subscribers = 0, recordsPerSec = 0, isPaused = false } = view ?? {};
  // The rate is that of delivery: of what is paused it says nothing of what is written.
  const rate = isPaused ? "" : ` of ${counted(Math.round(recordsPerSec), "record")} a second`;
  return [
    `Nothing of partition ${partition} is delivered on any edge until it is resumed: ${hearers(subscribers)} nothing${rate}.`,
    "What is published meanwhile is stored, and delivered in order when it is resumed. It must be resumed before the topic's retention has passed what waits.",
  ];
}

function resumePlan(overview: Overview, partition: number): PlanView {
  const view = partitionViews(overview)[partition];
  const isSame = isPausedIn(overview, partition) === false;
  return {
    action: `resume partition ${partition}`,
    effects: [
      isSame
        ? sameSentence(partition, false)
        : `Partition ${partition} is delivered again, from where it stopped: ${waiting(view?.lag ?? null)}.`,
    ],
    moves: [],
    isForetold: true,
    reconnects: 0,
    isDangerous: false,
  };
}

function sameSentence(partition: number, isPaused: boolean): string {
  return `Partition ${partition} is ${pauseWord(isPaused)}: nothing changes.`;
}

function hearers(subscribers: number): string {
  return `${counted(subscribers, "subscriber")} ${subscribers === 1 ? "hears" : "hear"}`;
}

function waiting(lag: number | null): string {
  if (lag === null) return "all records that came meanwhile are waiting";
  return `${counted(lag, "record")} ${lag === 1 ? "is" : "are"} waiting`;
}
