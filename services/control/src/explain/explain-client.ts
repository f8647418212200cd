import type { ConnectionReport } from "@millrace/schemas";
import type { FindingView } from "../api/views.ts";
import { counted } from "../counted.ts";
import { LIMITS } from "../limits.ts";
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

/** What operators have ruled about the user, as an edge lists it. */
export interface RulingFact {
  readonly kind: string;
  readonly conversation?: string;
  readonly untilMs?: number;
  readonly operator?: string;
}

export type EdgeConnection = ConnectionReport & { readonly edge: string };

export interface ClientFacts extends FleetFacts {
  readonly user: string;
  /** Only what has to do with that one; without it, with all. */
  readonly conversation?: string;
  readonly connections: readonly EdgeConnection[];
  /** Null: no edge tells of them. */
  readonly rulings: readonly RulingFact[] | null;
}

/** Longer than two pings: a line on which nothing comes back is half open. */
const QUIET_MS = 60_000;

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

function* banFindings({ user, rulings }: ClientFacts): Generator<FindingView> {
  if (rulings === null) {
    yield wrong(
      "rights",
      "No edge tells of rulings: whether a ban or a removal holds is not known.",
    );
    return;
  }
  const ban = rulings.find(({ kind }) => kind === "ban");
  if (ban === undefined) return yield right("rights", `${user} is not banned.`);
  const until = ban.untilMs === undefined ? "" : ` until ${new Date(ban.untilMs).toISOString()}`;
  yield wrong("rights", `${user} is banned by ${ban.operator ?? "an operator"}${until}.`);
}

function* connectionFindings({ user, connections }: ClientFacts): Generator<FindingView> {
  if (connections.length === 0) {
    yield wrong("connection", `${user} is not connected on any edge that answers.`);
  }
  for (const { edge, connection, quietMs, device } of connections) {
    const name = `Connection ${connection} on ${edge}${device === null ? "" : ` (${device})`}`;
    const seconds = Math.round(quietMs / 1_000);
    yield quietMs >= QUIET_MS
      ? wrong("connection", `${name} has sent nothing for ${seconds} s: its line may be half open.`)
      : right("connection", `${name} was heard ${seconds} s ago.`);
  }
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

function* rightFindings({ user, rulings, conversation }: ClientFacts): Generator<FindingView> {
  for (const ruling of rulings ?? []) {
    const where = ruling.conversation ?? "";
    if (conversation !== undefined && where !== conversation) continue;
    if (ruling.kind === "removal") {
      const by = ruling.operator ?? "an operator";
      yield wrong(
        "rights",
        `${user} was removed from ${where} by ${by}: nothing of it is delivered.`,
      );
    }
    if (ruling.kind === "beginning") {
      yield right("rights", `${user} may read ${where} only from a beginning that was set.`);
    }
  }
}

function* subscriptionFindings({ user, connections, conversation }: ClientFacts) {
  if (connections.length === 0) return;
  const all = connections.flatMap(({ subscriptions }) => subscriptions);
  const total = connections.reduce((sum, { subscriptionsTotal }) => sum + subscriptionsTotal, 0);
  if (conversation === undefined) {
    yield total === 0
      ? wrong("subscription", `${user} has subscribed nothing.`)
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
  for (const { connection, edge, bufferedBytes, waitingBytes } of connections) {
    const bytes = bufferedBytes + waitingBytes;
    yield bytes >= LIMITS.bufferedBytes
      ? wrong(
          "buffer",
          `Connection ${connection} on ${edge} has ${counted(bytes, "byte")} waiting: the client does not read.`,
        )
      : right(
          "buffer",
          `Connection ${connection} on ${edge} has ${counted(bytes, "byte")} waiting.`,
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
