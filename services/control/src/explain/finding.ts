import type { EdgeView, ExplanationView, FindingView, PartitionView } from "../api/views.ts";
import { counted } from "../counted.ts";
import { isAside } from "../edges/edge-directory.ts";
import { LIMITS } from "../limits.ts";

/** What concerns whoever listens, wherever: the state of the edges, of Redis, of Kafka. */
export interface FleetFacts {
  readonly isKafkaUp: boolean;
  /** Edges that answered, with what matters of them here. */
  readonly edges: readonly {
    readonly id: string;
    readonly state: EdgeView["state"];
    readonly isRedisUp: boolean;
  }[];
  /** Addresses that did not answer. */
  readonly unreachable: readonly string[];
  readonly partitions: readonly PartitionView[];
}

/** The first thing that is wrong is the verdict: findings stand in the order of their gravity. */
export function verdictOf(findings: readonly FindingView[], nothing: string): string {
  return findings.find(({ isOk }) => !isOk)?.text ?? nothing;
}

export function right(about: string, text: string): FindingView {
  return { isOk: true, about, text };
}

export function wrong(about: string, text: string): FindingView {
  return { isOk: false, about, text };
}

export function* kafkaFindings({ isKafkaUp }: FleetFacts): Generator<FindingView> {
  if (isKafkaUp) return;
  yield wrong("kafka", "Kafka does not answer: nothing new comes in until its brokers are back.");
}

/** What of a partition keeps its listeners silent; on those edges, where they are known. */
export function* partitionFindings(
  view: PartitionView,
  edges: readonly string[] = [],
): Generator<FindingView> {
  const name = `Partition ${view.partition}`;
  const stalled = view.stalledOn.filter((edge) => edges.length === 0 || edges.includes(edge));
  const isLeaderless = view.leader === null && view.replicas.length > 0;
  if (isLeaderless) {
    const where = view.replicas.join(", ");
    const text = `${name} has no leader: bring back one of its brokers (${where}) that was in sync.`;
    yield wrong("leader", text);
  }
  if (view.isPaused) {
    const text = `${name} is paused by an operator: \`millrace resume ${view.partition}\`.`;
    yield wrong("paused", text);
  }
  if (stalled.length > 0) {
    const where = stalled.join(", ");
    const text = `${name} stands still on ${where} though the log goes on: look at that edge's log, and drain it if it lasts.`;
    yield wrong("watermark", text);
  }
  if (view.owner === null) {
    yield wrong(
      "owner",
      `${name} is owned by no edge: its listeners are served directly from the log; if it lasts, \`millrace rebalance\`.`,
    );
  } else yield right("owner", `${name} is owned by ${view.owner}.`);
  yield* lagFindings(view);
}

function* lagFindings({ partition, lag, lagMs }: PartitionView): Generator<FindingView> {
  if (lag === null || lagMs === null) {
    yield wrong("lag", `How far partition ${partition} is behind is not known.`);
  } else if (lagMs >= LIMITS.lagMs || lag >= LIMITS.lagRecords) {
    const behind = `${counted(lag, "record")} and ${(lagMs / 1_000).toFixed(1)} s`;
    yield wrong(
      "lag",
      `Partition ${partition} is ${behind} behind the end of its log on some edge.`,
    );
  } else yield right("lag", `Partition ${partition} is at the end of its log (${lag} behind).`);
}

/** On those edges, or on all. */
export function* edgeFindings(
  { edges, unreachable }: FleetFacts,
  concerned: readonly string[] | undefined,
): Generator<FindingView> {
  for (const { id, state, isRedisUp } of edges) {
    if (concerned !== undefined && !concerned.includes(id)) continue;
    if (isAside(state)) {
      yield wrong("edge", `${id} is ${state}: its clients are told to connect elsewhere.`);
    }
    if (!isRedisUp) {
      yield wrong(
        "redis",
        `Redis is down for ${id}: sessions and acknowledged positions are not known until it is back; messages come from the log all the same.`,
      );
    }
  }
  if (unreachable.length > 0) {
    const where = unreachable.join(", ");
    yield wrong(
      "unreachable",
      `Not every edge answers (${where}): what is there is not seen here.`,
    );
  }
}

export type Explained = Pick<ExplanationView, "verdict" | "findings">;
