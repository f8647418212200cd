import type { PlanView } from "../api/views.ts";
import { edgeOf, isAside } from "../edges/edge-directory.ts";
import { LIMITS } from "../limits.ts";
import { overviewOf } from "../overview/overview.ts";
import { type Owners, changesOfHands, ownersIn } from "../overview/owners.ts";
import { HARMLESS, unforetold } from "../plan/plan-sentences.ts";
import { type Forecast, forecast } from "../plan/redistribution.ts";
import { refuse } from "../refusal.ts";
import { assertPartition, edgeIn, fieldsOf, partitionIn } from "./call-words.ts";
import { order, pinRequest, tryOrder } from "./edge-orders.ts";
import type { CallContext, OperatorCall, PreparedCall } from "./operator-call.ts";
import { ownersInTime } from "./ownership-wait.ts";

interface Wish {
  readonly partition: number;
  readonly edge: string;
}

const SECONDS = LIMITS.moveMs / 1_000;

export const MOVE_CALLS: readonly OperatorCall[] = [
  {
    method: "POST",
    path: "/v1/moves",
    action: "move",
    prepare: (call) => {
      const { partition, edge } = fieldsOf(call, ["partition", "edge"]);
      return prepared({ partition: partitionIn(partition), edge: edgeIn(edge) }, move);
    },
  },
  {
    method: "PUT",
    path: "/v1/pins/:partition",
    action: "pin",
    prepare: (call) => {
      const partition = partitionIn(call.names["partition"]);
      const { edge } = fieldsOf(call, ["edge"]);
      return prepared({ partition, edge: edgeIn(edge) }, pin);
    },
  },
  {
    method: "DELETE",
    path: "/v1/pins/:partition",
    action: "unpin",
    prepare: (call) => {
      fieldsOf(call, []);
      return unpin(partitionIn(call.names["partition"]));
    },
  },
];

interface Way {
  readonly verb: "move" | "pin";
  readonly run: (context: CallContext, wish: Wish) => Promise<Outcome>;
}

interface Outcome {
  readonly done: string;
  /** Who owned what when it was done; absent: nothing was done. */
  readonly owners?: Owners;
}

const move: Way = { verb: "move", run: runMove };
const pin: Way = { verb: "pin", run: runPin };

function prepared(wish: Wish, { verb, run }: Way): PreparedCall {
  return {
    parameters: { ...wish },
    plan: ({ overview }) => {
      assertPossible(overview, wish);
      return planOf(overview, wish, verb);
    },
    run: async (context) => {
      const { services, operator } = context;
      const { moving } = services;
      assertPossible(context.overview, wish);
      const { partition } = wish;
      if (moving.has(partition)) {
        refuse(409, `partition ${partition} is being moved already: wait until that is done`);
      }
      moving.add(partition);
      try {
        // What was seen before may be the pin of a move that has ended meanwhile; from here on there is none.
        const overview = await overviewOf(services, { token: operator.token, isFresh: true });
        assertPossible(overview, wish);
        const before = ownersIn(overview);
        const { done, owners = before } = await run({ ...context, overview }, wish);
        // With it others may have moved, so that each edge keeps its share.
        return { done, moves: changesOfHands(before, owners) };
      } finally {
        moving.delete(partition);
      }
    },
  };
}

type Overview = CallContext["overview"];

function planOf(overview: Overview, wish: Wish, verb: Way["verb"]): PlanView {
  const { partition, edge } = wish;
  const action = `${verb} partition ${partition} ${verb === "pin" ? "to" : "→"} ${edge}`;
  const standing = { action, reconnects: 0, isDangerous: false };
  const already = alreadySo(overview, wish, verb);
  if (already !== undefined) {
    const effects = [`Partition ${partition} is ${already} already: nothing changes.`];
    return { ...standing, effects, moves: [], isForetold: true };
  }
  const foretold = forecast(overview, { pin: { partition, edge } });
  const effects = [
    ...wishSentences(overview, wish, foretold),
    staySentence(overview, wish, verb),
    HARMLESS,
  ];
  return { ...standing, effects, ...foretold };
}

/** What stands as it is wished; undefined: not all of it. */
function alreadySo(
  overview: Overview,
  { partition, edge }: Wish,
  verb: Way["verb"],
): string | undefined {
  if (ownersIn(overview).get(partition) !== edge) return undefined;
  const { orders } = overview.edges;
  if (orders === null) return undefined;
  const pinned = pinIn(orders, partition);
  if (pinned === edge) return `owned by ${edge} and pinned to it`;
  return verb === "move" && pinned === null ? `owned by ${edge}` : undefined;
}

function wishSentences(
  overview: Overview,
  { partition, edge }: Wish,
  { moves, isForetold }: Forecast,
): string[] {
  const from = ownersIn(overview).get(partition) ?? "nobody";
  if (from === edge) return [`Partition ${partition} is owned by ${edge} already.`];
  if (!isForetold) {
    return [`Partition ${partition} moves from ${from} to ${edge}.`, ...unforetold({ isForetold })];
  }
  const isAlone = moves.every((one) => one.partition === partition);
  return isAlone ? [] : ["So that each edge keeps its share, others change hands, too."];
}

function staySentence(overview: Overview, { partition, edge }: Wish, verb: Way["verb"]): string {
  if (verb === "pin") {
    return `Partition ${partition} stays tied to ${edge} until it is unpinned, also when ${edge} is restarted.`;
  }
  const pinned = pinIn(overview.edges.orders, partition);
  return pinned === null
    ? `Afterwards partition ${partition} may move on whenever edges come or go; to tie it to ${edge}, pin it.`
    : `Partition ${partition} is pinned to ${pinned}: it is pinned to ${edge} instead.`;
}

function assertPossible(overview: Overview, { partition, edge }: Wish): void {
  assertPartition(overview, partition);
  const { report } = edgeOf(overview.edges, edge);
  if (isAside(report.state)) {
    refuse(409, `${edge} is ${report.state} and takes nothing: \`millrace undrain ${edge}\` first`);
  }
  const { members, state } = overview.cluster.group;
  if (state === "Unknown") {
    refuse(503, `Kafka does not tell of the group of edges (${overview.cluster.why}): try again`);
  }
  if (!members.some(({ words }) => words?.edge === edge)) {
    refuse(409, `${edge} is no member of the group of edges yet: try again in some seconds`);
  }
}

/** A pin until the edge has it; what was pinned before stays so, to the new edge. */
async function runMove(context: CallContext, { partition, edge }: Wish): Promise<Outcome> {
  const before = pinBefore(context, partition);
  const already = alreadySo(context.overview, { partition, edge }, "move");
  if (already !== undefined) {
    return { done: `Partition ${partition} was ${already} already; nothing was done.` };
  }
  await pinForNow(context, { partition, edge }, before);
  const owners = await ownersInTime(context, partition, edge);
  const moved = `Partition ${partition} is owned by ${edge}`;
  if (owners !== undefined && before !== null) {
    return { done: `${moved}; it was pinned, and is pinned to ${edge} now.`, owners };
  }
  const isRestored = await restore(context, { partition, edge: before });
  if (owners === undefined) {
    return refuse(503, failureText({ partition, edge }, isRestored, before));
  }
  const doubt = `It was not confirmed that its pin is lifted again: ${undoText(partition, null)}.`;
  return { done: isRestored ? `${moved}.` : `${moved}. ${doubt}`, owners };
}

/** A pin that nobody has confirmed may hold: it must not outlive the move that it was for. */
async function pinForNow(
  context: CallContext,
  { partition, edge }: Wish,
  before: string | null,
): Promise<void> {
  const request = pinRequest(partition, edge);
  const outcome = await tryOrder(context, request, edge);
  if (outcome.kind === "taken") return;
  if (outcome.kind === "refused") {
    const { status, why } = outcome;
    refuse(status, `no edge takes the pin to ${edge} (${why}), and nothing was changed`);
  }
  const head = `no edge has confirmed the pin to ${edge} (${outcome.why})`;
  if (await restore(context, { partition, edge: before })) {
    refuse(502, `${head}; ${restoredText(before)}. Look at \`millrace status\`, and try again`);
  }
  refuse(502, `${head}; it may hold all the same: ${undoText(partition, before)}`);
}

/** What is pinned there already is pinned again: the edge that tells of it may not know of a later word. */
async function runPin(context: CallContext, { partition, edge }: Wish): Promise<Outcome> {
  const already = alreadySo(context.overview, { partition, edge }, "pin");
  const undo = undoText(partition, pinIn(context.overview.edges.orders, partition));
  await order(context, pinRequest(partition, edge), { about: edge, undo });
  const owners = await ownersInTime(context, partition, edge);
  if (owners !== undefined) {
    const done =
      already === undefined
        ? `Partition ${partition} is owned by ${edge}, and pinned to it.`
        : `Partition ${partition} was ${already} already: nothing changes.`;
    return { done, owners };
  }
  return refuse(
    503,
    `partition ${partition} is pinned to ${edge}, but ${edge} does not own it after ${SECONDS} s. ` +
      `The pin stands: look at \`millrace status\`, or \`millrace unpin ${partition}\``,
  );
}

function pinBefore({ overview }: CallContext, partition: number): string | null {
  const { orders } = overview.edges;
  if (orders === null) {
    return refuse(503, "no edge tells of its orders, so a pin could be lost: try again");
  }
  return pinIn(orders, partition);
}

/** The edge that it is pinned to. */
function pinIn(orders: Overview["edges"]["orders"], partition: number): string | null {
  return orders?.pins.find((one) => one.partition === partition)?.edge ?? null;
}

async function restore(
  context: CallContext,
  { partition, edge }: { readonly partition: number; readonly edge: string | null },
): Promise<boolean> {
  try {
    await order(context, pinRequest(partition, edge), edge === null ? {} : { about: edge });
    return true;
  } catch (cause) {
    context.services.logger.warn({ err: cause, partition }, "a pin could not be put back");
    return false;
  }
}

/** What stands, so that nobody has to guess. */
function failureText(
  { partition, edge }: Wish,
  isRestored: boolean,
  before: string | null,
): string {
  const head = `${edge} does not own partition ${partition} after ${SECONDS} s`;
  if (!isRestored) {
    return `${head}, and its pin to ${edge} may stand: ${undoText(partition, before)}`;
  }
  return `${head}; ${restoredText(before)}, and nothing else was changed. Look at \`millrace status\``;
}

function restoredText(before: string | null): string {
  return before === null ? "the pin was lifted again" : `it is pinned to ${before} again`;
}

/** What puts back by hand what stood before. */
function undoText(partition: number, before: string | null): string {
  return before === null
    ? `\`millrace unpin ${partition}\``
    : `\`millrace pin ${partition} ${before}\``;
}

function unpin(partition: number): PreparedCall {
  return {
    parameters: { partition },
    plan: ({ overview }) => {
      assertPartition(overview, partition);
      return unpinPlan(overview, partition);
    },
    run: async (context) => {
      const { overview } = context;
      assertPartition(overview, partition);
      const { orders } = overview.edges;
      const wasFree = orders !== null && pinIn(orders, partition) === null;
      await order(context, pinRequest(partition, null));
      return {
        done: wasFree
          ? `Partition ${partition} was not pinned: nothing changes.`
          : `Partition ${partition} is not pinned any more.`,
      };
    },
  };
}

function unpinPlan(overview: Overview, partition: number): PlanView {
  const { orders } = overview.edges;
  const pinned = pinIn(orders, partition);
  const standing = { action: `unpin partition ${partition}`, reconnects: 0, isDangerous: false };
  if (orders !== null && pinned === null) {
    const effects = [`Partition ${partition} is not pinned: nothing changes.`];
    return { ...standing, effects, moves: [], isForetold: true };
  }
  const foretold = forecast(overview, { unpin: partition });
  const tie = `Partition ${partition} is no longer tied to ${pinned ?? "any edge"}.`;
  return { ...standing, effects: [tie, ...unforetold(foretold), HARMLESS], ...foretold };
}
