import type { EdgeView, KafkaView, PartitionView, ProblemView } from "../api/views.ts";
import { counted } from "../counted.ts";
import { LIMITS } from "../limits.ts";
import type { Overview } from "./overview.ts";

interface Seen {
  readonly edges: readonly EdgeView[];
  readonly partitions: readonly PartitionView[];
  readonly kafka: KafkaView;
}

const MEMORY_SHARE = 0.85;
const LISTED_MAX = 12;

/** What somebody should look at, the gravest first, each with what to do. */
export function problemsIn(overview: Overview, seen: Seen): ProblemView[] {
  const all = [
    ...kafkaProblems(overview, seen),
    ...reachProblems(overview, seen),
    ...partitionProblems(seen),
    ...edgeProblems(seen),
    ...fleetProblems(overview, seen),
    ...topicProblems(overview),
  ];
  return [...all.filter(isCritical), ...all.filter((problem) => !isCritical(problem))];
}

function isCritical({ severity }: ProblemView): boolean {
  return severity === "critical";
}

function* kafkaProblems({ cluster }: Overview, { kafka }: Seen): Generator<ProblemView> {
  if (!kafka.isUp) {
    yield critical(
      `Kafka does not answer: ${cluster.why}`,
      "look at the brokers; edges keep their clients, and publishes are refused until it is back",
    );
    return;
  }
  if (cluster.why !== "") {
    yield warning(
      `Kafka does not tell of the group of edges: ${cluster.why}`,
      "look at the broker that coordinates it; owners are shown as the edges say",
    );
  }
  if (kafka.underReplicated > 0) {
    yield warning(
      `${counted(kafka.underReplicated, "partition")} with fewer replicas in sync than they have`,
      "look for the broker that is away or behind: `millrace partitions` names leaders and replicas",
    );
  }
}

function* reachProblems({ edges: look }: Overview, { edges }: Seen): Generator<ProblemView> {
  for (const { address, why } of look.unreachable) {
    yield critical(
      `the edge at ${address} does not answer: ${why}`,
      "look at its process and its log; if it is gone for good take it out of CONTROL_EDGES",
    );
  }
  if (look.unasked > 0) {
    yield critical(
      `${counted(look.unasked, "edge")} beyond the first ${LIMITS.edges} not looked at`,
      "control asks no more of them: name fewer in CONTROL_EDGES, and the rest to another control",
    );
  }
  if (edges.length === 0 && look.unreachable.length === 0) {
    yield critical("no edge is known", "name the edges' operators' ports in CONTROL_EDGES");
  }
}

function* partitionProblems({ partitions: all, edges, kafka }: Seen): Generator<ProblemView> {
  const leaderless = all.filter(({ leader, replicas }) => leader === null && replicas.length > 0);
  if (kafka.isUp && leaderless.length > 0) {
    yield critical(
      `no broker leads ${listOf(leaderless)}`,
      "bring a broker back that has a replica in sync; nothing of them is published or read",
    );
  }
  const ownerless = all.filter(({ owner }) => owner === null);
  if (ownerless.length > 0 && edges.length > 0) {
    const isRelayed = edges.some(({ delivery }) => delivery === "relay");
    const advice = "it should pass within 10 s; if not, `millrace rebalance`";
    const what = `no edge owns ${listOf(ownerless)}`;
    yield isRelayed
      ? critical(`${what}: its clients are served directly from the log`, advice)
      : warning(what, advice);
  }
  for (const { partition, stalledOn } of all.filter((one) => one.stalledOn.length > 0)) {
    yield critical(
      `partition ${partition} stands still on ${stalledOn.join(", ")}`,
      "look at that edge's log; `millrace drain` it, and restart it if it does not recover",
    );
  }
  const paused = all.filter(({ isPaused }) => isPaused);
  if (paused.length > 0) {
    yield warning(
      `${listOf(paused)} paused by operators: nothing of it is delivered`,
      `\`millrace resume ${paused[0]?.partition}\` when the reason is gone`,
    );
  }
}

function* edgeProblems({ edges }: Seen): Generator<ProblemView> {
  for (const edge of edges) {
    if (edge.state === "drained") {
      yield warning(
        `${edge.id} is drained: it serves nobody`,
        `\`millrace undrain ${edge.id}\` takes it back`,
      );
    } else if (!edge.isReady) {
      yield warning(
        `${edge.id} is not ready (${edge.state}): newcomers are sent elsewhere`,
        "a draining or starting edge changes by itself; else its /readyz says why",
      );
    }
    if (edge.memoryShare > MEMORY_SHARE) {
      yield warning(
        `${edge.id} uses ${Math.round(edge.memoryShare * 100)} % of its memory`,
        "add an edge, or give it more: EDGE_MEMORY_MB",
      );
    }
  }
  const redisLess = edges.filter(({ isRedisUp }) => !isRedisUp);
  if (redisLess.length > 0) {
    yield critical(
      `Redis is down for ${redisLess.map(({ id }) => id).join(", ")}`,
      "look at Redis; messages flow on from the log, sessions and shared rates wait for it",
    );
  }
}

function* fleetProblems(overview: Overview, { edges }: Seen): Generator<ProblemView> {
  const versions = new Set(edges.map(({ version }) => version));
  if (versions.size > 1) {
    yield warning(
      `edges run ${[...versions].join(" and ")}`,
      "finish the rollout, or take it back; two neighbouring versions work together",
    );
  }
  if (new Set(edges.map(({ delivery }) => delivery)).size > 1) {
    yield warning(
      "some edges relay and some read directly",
      "meant for a change from one to the other: set EDGE_DELIVERY alike when it is done",
    );
  }
  const ids = new Set(edges.map(({ id }) => id));
  if (ids.size < edges.length) {
    yield critical("two edges have one id", "give each an EDGE_ID of its own");
  }
  const isWhole = overview.edges.unreachable.length === 0 && overview.edges.unasked === 0;
  for (const { partition, edge } of overview.edges.orders?.pins ?? []) {
    if (!ids.has(edge) && isWhole) {
      yield warning(
        `partition ${partition} is pinned to ${edge}, which is not there`,
        `\`millrace unpin ${partition}\`, or bring ${edge} back; others own it meanwhile`,
      );
    }
  }
  const { state } = overview.cluster.group;
  if (state.endsWith("Rebalance")) {
    yield warning(
      "the group of edges is distributing partitions",
      "it takes some seconds; if it lasts, an edge joins again and again: look at their logs",
    );
  }
}

function* topicProblems({ topics }: Overview): Generator<ProblemView> {
  for (const { topic, problems } of topics) {
    for (const { setting, value, wanted, promise } of problems) {
      yield warning(
        `${topic}: ${setting} is ${value}, wanted ${wanted} (${promise})`,
        "`millrace topics check` lists all; change it with the cluster's own tools",
      );
    }
  }
}

function critical(what: string, advice: string): ProblemView {
  return { severity: "critical", what, advice };
}

function warning(what: string, advice: string): ProblemView {
  return { severity: "warning", what, advice };
}

function listOf(views: readonly PartitionView[]): string {
  const shown = views.slice(0, LISTED_MAX).map(({ partition }) => partition);
  const more = views.length > shown.length ? ` and ${views.length - shown.length} more` : "";
  return `partition${views.length === 1 ? "" : "s"} ${shown.join(", ")}${more}`;
}
