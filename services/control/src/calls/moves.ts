import type { PlanView } from "../api/views.ts";
import { edgeOf } from "../edges/edge-directory.ts";
import { LIMITS } from "../limits.ts";
import { overviewOf } from "../overview/overview.ts";
import { ownersIn } from "../overview/owners.ts";
import { HARMLESS, NOT_FORETOLD, movesSentence } from "../plan/plan-sentences.ts";
import { isGroupKnown, movesOf } from "../plan/redistribution.ts";
import { refuse } from "../refusal.ts";
import { assertPartition, edgeIn, fieldsOf, partitionIn } from "./call-words.ts";
import { order, pinRequest, tryOrder } from "./edge-orders.ts";
import type { CallContext, OperatorCall, PreparedCall } from "./operator-call.ts";
import { isOwnedInTime } from "./ownership-wait.ts";

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
  readonly run: (context: CallContext, wish: Wish) => Promise<string>;
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
        const done = await run({ ...context, overview }, wish);
        const from = ownersIn(overview).get(partition) ?? null;
        return { done, moves: from === wish.edge ? [] : [{ partition, from, to: wish.edge }] };
      } finally {
        moving.delete(partition);
      }
    },
  };
}

type Overview = CallContext["overview"];

function planOf(overview: Overview, { partition, edge }: Wish, verb: Way["verb"]): PlanView {
  const from = ownersIn(overview).get(partition) ?? null;
  const moves = movesOf(overview, { pin: { partition, edge } });
  const others = moves.filter((one) => one.partition !== partition);
  const stays =
    verb === "pin"
      ? `It stays tied to ${edge} until it is unpinned, also when ${edge} is restarted.`
      : `Afterwards it may move on whenever edges come or go; to tie it to ${edge}, pin it.`;
  const happens =
    from === edge
      ? `Partition ${partition} is owned by ${edge} already.`
      : `Partition ${partition} moves from ${from ?? "nobody"} to ${edge}.`;
  const effects = [happens, isGroupKnown(overview) ? othersSentence(others) : NOT_FORETOLD];
  return {
    action: `${verb} partition ${partition} ${verb === "pin" ? "to" : "→"} ${edge}`,
    effects: [...effects, stays, HARMLESS],
    moves,
    reconnects: 0,
    isDangerous: false,
  };
}

function othersSentence(others: PlanView["moves"]): string {
  if (others.length === 0) return movesSentence([]);
  return `So that each keeps its share, others change hands, too. ${movesSentence(others)}`;
}

function assertPossible(overview: Overview, { partition, edge }: Wish): void {
  assertPartition(overview, partition);
  const { report } = edgeOf(overview.edges, edge);
  if (report.state === "drained" || report.state === "draining") {
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
async function runMove(context: CallContext, { partition, edge }: Wish): Promise<string> {
  const before = pinBefore(context, partition);
  if (before === null && ownersIn(context.overview).get(partition) === edge) {
    return `Partition ${partition} was owned by ${edge} already; nothing was done.`;
  }
  await pinForNow(context, { partition, edge }, before);
  const isThere = await isOwnedInTime(context, partition, edge);
  if (isThere && before !== null) {
    return `Partition ${partition} is owned by ${edge}; it was pinned, and is pinned to ${edge} now.`;
  }
  const isRestored = await restore(context, { partition, edge: before });
  const moved = `Partition ${partition} is owned by ${edge}`;
  if (isThere && isRestored) return `${moved}.`;
  if (isThere) {
    return `${moved}. It was not confirmed that its pin is lifted again: ${undoText(partition, null)}.`;
  }
  return refuse(503, failureText({ partition, edge }, isRestored, before));
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

async function runPin(context: CallContext, { partition, edge }: Wish): Promise<string> {
  const stood = context.overview.edges.orders?.pins.find((one) => one.partition === partition);
  const undo = undoText(partition, stood?.edge ?? null);
  await order(context, pinRequest(partition, edge), { about: edge, undo });
  if (await isOwnedInTime(context, partition, edge)) {
    return `Partition ${partition} is owned by ${edge}, and pinned to it.`;
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
  return orders.pins.find((one) => one.partition === partition)?.edge ?? null;
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
      const pinned = overview.edges.orders?.pins.find((one) => one.partition === partition);
      const moves = movesOf(overview, { unpin: partition });
      return {
        action: `unpin partition ${partition}`,
        effects: [
          pinned === undefined
            ? `Partition ${partition} is not pinned.`
            : `Partition ${partition} is no longer tied to ${pinned.edge}.`,
          isGroupKnown(overview) ? movesSentence(moves) : NOT_FORETOLD,
          HARMLESS,
        ],
        moves,
        reconnects: 0,
        isDangerous: false,
      };
    },
    run: async (context) => {
      assertPartition(context.overview, partition);
      await order(context, pinRequest(partition, null));
      return { done: `Partition ${partition} is not pinned.` };
    },
  };
}
