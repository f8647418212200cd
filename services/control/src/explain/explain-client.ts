import type { FindingView } from "../api/views.ts";
import { counted } from "../counted.ts";
import { LIMITS } from "../limits.ts";
import type { ClientFacts, EdgeConnection } from "./client-facts.ts";
import {
  type Explained,
  edgeFindings,
  kafkaFindings,
  partitionFindings,
  right,
  verdictOf,
  wrong,
} from "./finding.ts";
import { banFindings, rightFindings } from "./right-findings.ts";

/** Longer than two pings: a line on which nothing comes back is half open. */
const QUIET_MS = 60_000;

const NAME_ONE = "`--conversation` tells whether its token may read one";

/** No edge keeps the names of those whom it turns away: anybody may send any, without number. */
const WHY_REFUSED =
  "if it tries to be, `millrace_handshakes_total` counts by `status` why it is turned away (401: its token; 403: a ban, its origin or its name; 429: too many at once; 503: the edge is full or not ready), and the client is told the reason in words.";

/** Why a client hears nothing: a function of what is known, the gravest first. */
export function explainClient(facts: ClientFacts): Explained {
  const edges = [...new Set(facts.connections.map(({ edge }) => edge))];
  const findings = [
    ...banFindings(facts),
    ...connectionFindings(facts),
    ...tokenFindings(facts),
    ...rightFindings(facts),
    ...subscriptionFindings(facts),
    ...kafkaFindings(facts),
    ...concernedPartitions(facts, edges),
    ...stateFindings(facts),
    ...bufferFindings(facts),
    ...edgeFindings(facts, facts.connections.length === 0 ? undefined : edges),
  ];
  const nothing = `Nothing is wrong: ${facts.user} is connected, and what is subscribed is delivered.`;
  return { verdict: verdictOf(findings, nothing), findings };
}

function* connectionFindings({ user, connections }: ClientFacts): Generator<FindingView> {
  if (connections.length === 0) {
    yield wrong("connection", `${user} is not connected on any edge that answers: ${WHY_REFUSED}`);
  }
  for (const one of connections) {
    const { edge, connection, quietMs, device } = one;
    const name = `Connection ${connection} on ${edge}${device === null ? "" : ` (${device})`}`;
    const seconds = Math.round(quietMs / 1_000);
    const nothing = `${name} has sent nothing for ${seconds} s`;
    if (quietMs < QUIET_MS) yield right("connection", `${name} was heard ${seconds} s ago.`);
    else if (isFull(one)) {
      const text = `${name} reads nothing, or much too slowly: its socket is full. It is fed from the log as it reads, and nothing is lost.`;
      yield wrong("connection", text);
      const why = "who does not read answers no ping either, unless the line is half open";
      yield wrong("connection", `${nothing}: ${why}.`);
    } else yield wrong("connection", `${nothing}: its line may be half open.`);
  }
}

/**
 * Whether a line on which nothing comes back takes nothing, either. What a helping of the log waits
 * for is that the socket takes the one before, so who is not live is waited for, too, although the
 * kernel may hold all of it.
 */
function isFull({ bufferedBytes, waitingBytes, subscriptions }: EdgeConnection): boolean {
  if (bufferedBytes + waitingBytes > 0) return true;
  return subscriptions.some(({ state }) => state === "lagging" || state === "catching-up");
}

function* tokenFindings({ connections }: ClientFacts): Generator<FindingView> {
  for (const { connection, tokenExpiresInMs: leftMs } of connections) {
    const seconds = Math.round(Math.abs(leftMs) / 1_000);
    if (leftMs <= 0) {
      const text = `The token of connection ${connection} expired ${seconds} s ago: the client must send another one.`;
      yield wrong("token", text);
    } else if (leftMs < LIMITS.tokenSoonMs) {
      const text = `The token of connection ${connection} ends in ${seconds} s: the client must renew it.`;
      yield wrong("token", text);
    } else
      yield right("token", `The token of connection ${connection} holds for ${seconds} s more.`);
  }
}

function* subscriptionFindings({ user, connections, conversation }: ClientFacts) {
  if (connections.length === 0) return;
  const all = connections.flatMap(({ subscriptions }) => subscriptions);
  const total = connections.reduce((sum, { subscriptionsTotal }) => sum + subscriptionsTotal, 0);
  if (conversation === undefined) {
    yield total === 0
      ? wrong("subscription", `${user} has subscribed nothing: ${NAME_ONE}.`)
      : right("subscription", `${user} has subscribed ${counted(total, "conversation")}.`);
    return;
  }
  if (all.some((subscription) => subscription.conversation === conversation)) {
    yield right("subscription", `${user} has subscribed ${conversation}.`);
  } else if (total > all.length) {
    const text = `${conversation} is not among the ${all.length} of ${counted(total, "subscription")} that edges list.`;
    yield wrong("subscription", text);
  } else yield wrong("subscription", `${user} has not subscribed ${conversation}.`);
}

/** Those in which something subscribed stands. */
function* concernedPartitions(facts: ClientFacts, edges: readonly string[]) {
  const numbers = new Set(
    concerned(facts).flatMap(({ partition }) => (partition === null ? [] : [partition])),
  );
  for (const view of facts.partitions) {
    if (numbers.has(view.partition)) yield* partitionFindings(view, edges);
  }
}

function* stateFindings(facts: ClientFacts): Generator<FindingView> {
  for (const { conversation, state, edge } of concerned(facts)) {
    if (state === "lagging") {
      const text = `${conversation} on ${edge}: the client reads more slowly than messages come, and is fed from the log as it reads.`;
      yield wrong("lag", text);
    } else if (state !== "live") {
      yield wrong(
        "catch-up",
        `${conversation} on ${edge}: it is still ${state}; older messages come first.`,
      );
    }
  }
}

function* bufferFindings({ connections }: ClientFacts): Generator<FindingView> {
  for (const { connection, edge, bufferedBytes, waitingBytes, subscriptions } of connections) {
    const bytes = bufferedBytes + waitingBytes;
    const isBehind = subscriptions.some(({ state }) => state === "lagging");
    yield bytes >= LIMITS.bufferedBytes
      ? wrong(
          "buffer",
          `Connection ${connection} on ${edge} has ${counted(bytes, "byte")} waiting: the client does not read.`,
        )
      : right(
          "buffer",
          `Connection ${connection} on ${edge} has ${counted(bytes, "byte")} waiting${isBehind ? " in the edge; the rest waits in the log" : ""}.`,
        );
  }
}

function concerned({ connections, conversation }: ClientFacts) {
  return connections.flatMap(({ edge, subscriptions }) =>
    subscriptions
      .filter((one) => conversation === undefined || one.conversation === conversation)
      .map((one) => ({ ...one, edge })),
  );
}
