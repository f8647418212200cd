import type { ConversationReport } from "@millrace/schemas";
import type { FindingView } from "../api/views.ts";
import { counted } from "../counted.ts";
import {
  type Explained,
  type FleetFacts,
  edgeFindings,
  kafkaFindings,
  partitionFindings,
  right,
  verdictOf,
  wrong,
} from "./finding.ts";

export type EdgeConversation = ConversationReport & { readonly edge: string };

export interface ConversationFacts extends FleetFacts {
  readonly conversation: string;
  /** Undefined: the topic was not reached. */
  readonly partition: number | undefined;
  readonly onEdges: readonly EdgeConversation[];
}

/** Why a conversation is silent: a function of what is known, the gravest first. */
export function explainConversation(facts: ConversationFacts): Explained {
  const findings = [
    ...kafkaFindings(facts),
    ...placeFindings(facts),
    ...subscriberFindings(facts),
    ...edgeFindings(facts, undefined),
  ];
  const nothing = `Nothing is wrong: ${facts.conversation} is delivered to whoever has subscribed it; perhaps nobody writes.`;
  return { verdict: verdictOf(findings, nothing), findings };
}

function* placeFindings({ conversation, partition, partitions }: ConversationFacts) {
  const view = partitions.find((one) => one.partition === partition);
  if (view === undefined) {
    yield wrong(
      "partition",
      `Where ${conversation} stands is not known: the topic was not reached.`,
    );
    return;
  }
  yield right("partition", `${conversation} stands in partition ${view.partition}.`);
  yield* partitionFindings(view);
}

function* subscriberFindings({ conversation, onEdges }: ConversationFacts): Generator<FindingView> {
  const sum = (of: (report: ConversationReport) => number): number =>
    onEdges.reduce((total, report) => total + of(report), 0);
  const [live, catchingUp, lagging] = [
    sum((report) => report.live),
    sum((report) => report.catchingUp),
    sum((report) => report.lagging),
  ];
  if (lagging > 0) {
    const reads = `${counted(lagging, "subscriber")} of ${conversation} ${lagging === 1 ? "reads" : "read"}`;
    const text = `${reads} more slowly than messages come: \`millrace explain client\` says of each why.`;
    yield wrong("buffer", text);
  }
  if (catchingUp > 0) {
    yield wrong("catch-up", `${those(catchingUp, conversation)} catching up.`);
  }
  yield live + catchingUp + lagging === 0
    ? wrong("subscribers", `Nobody has subscribed ${conversation} on the edges that answer.`)
    : right("subscribers", `${those(live, conversation)} live.`);
  for (const { edge, lastPosition } of onEdges) {
    if (lastPosition !== null) {
      yield right("watermark", `On ${edge} the last that was handed on is ${lastPosition}.`);
    }
  }
}

function those(count: number, conversation: string): string {
  return `${counted(count, "subscriber")} of ${conversation} ${count === 1 ? "is" : "are"}`;
}
