import type { PlanView } from "../api/views.ts";
import {
  type SeenEdge,
  edgeOf,
  isAside,
  isGood,
  isUnknownAfter,
  refusalStatus,
  whyNot,
} from "../edges/edge-directory.ts";
import type { EdgeRequest } from "../edges/edge-client.ts";
import type { Overview } from "../overview/overview.ts";
import { unforetold } from "../plan/plan-sentences.ts";
import { forecast } from "../plan/redistribution.ts";
import { refuse } from "../refusal.ts";
import { edgeIn, fieldsOf } from "./call-words.ts";
import type { CallContext, OperatorCall } from "./operator-call.ts";

type Then = "end" | "stay";

const PATH = "/v1/drains/:edge";

export const DRAIN_CALLS: readonly OperatorCall[] = [
  {
    method: "PUT",
    path: PATH,
    action: "drain",
    prepare: (call) => {
      const edge = edgeIn(call.names["edge"]);
      const then = thenIn(fieldsOf(call, ["then"])["then"]);
      return {
        parameters: { edge, afterwards: then },
        plan: ({ overview }) => drainPlan(overview, edge, then),
        run: async (context) => {
          const { state } = edgeOf(context.overview.edges, edge).report;
          const body = JSON.parse(`{"then":"${then}"}`) as object;
          await tell(context, edge, { method: "PUT", path: "/v1/drain", body });
          return { done: drainDone(edge, state, then) };
        },
      };
    },
  },
  {
    method: "DELETE",
    path: PATH,
    action: "undrain",
    prepare: (call) => {
      fieldsOf(call, []);
      const edge = edgeIn(call.names["edge"]);
      return {
        parameters: { edge },
        plan: ({ overview }) => undrainPlan(overview, edge),
        run: async (context) => {
          const { state } = edgeOf(context.overview.edges, edge).report;
          await tell(context, edge, { method: "DELETE", path: "/v1/drain" });
          return {
            done:
              state === "serving"
                ? `${edge} was serving already: nothing changes.`
                : `${edge} takes partitions and clients again.`,
          };
        },
      };
    },
  },
];

/** Like the edge's own call: without a word it ends. */
function thenIn(value: unknown = "end"): Then {
  if (value === "end" || value === "stay") return value;
  return refuse(400, "`then` must be `stay` (it stays up, drained) or `end` (its process ends)");
}

async function tell(
  { services, overview, operator }: CallContext,
  id: string,
  request: EdgeRequest,
): Promise<void> {
  const edge = edgeOf(overview.edges, id);
  const answer = await services.directory.ask(edge, operator.token, request);
  if (isGood(answer)) return;
  const why = whyNot(answer);
  if (isUnknownAfter(answer)) {
    refuse(
      502,
      `${id} has not confirmed it (${why}), and may do it all the same: \`millrace edges\``,
    );
  }
  refuse(refusalStatus(answer), `${id} has not done it: ${why}`);
}

type State = SeenEdge["report"]["state"];

function drainDone(id: string, state: State, then: Then): string {
  if (isAside(state)) {
    const end = then === "stay" ? ": nothing changes" : ", and ends";
    return `${id} was ${state} already${end}.`;
  }
  const end = then === "stay" ? "and stays up without them" : "and ends";
  return `${id} gives its partitions and clients away ${end}.`;
}

function drainPlan(overview: Overview, id: string, then: Then): PlanView {
  const edge = edgeOf(overview.edges, id);
  const { connections, state } = edge.report;
  const end = then === "stay" ? `It stays up, until \`millrace undrain ${id}\`.` : "Then it ends.";
  const foretold =
    state === "drained" ? { moves: [], isForetold: true } : forecast(overview, { leaving: id });
  const standing = { action: `drain ${id}`, ...foretold, reconnects: connections };
  if (isAside(state)) {
    const nothing = then === "stay" ? ": nothing changes" : "";
    const effects = [`${id} is ${state} already${nothing}. ${end}`, ...unforetold(foretold)];
    return { ...standing, effects, isDangerous: then === "end" };
  }
  return {
    ...standing,
    effects: [
      `${id} takes no newcomers, gives its partitions away and tells its clients to connect elsewhere, spread over its drain time; no message is lost.`,
      ...unforetold(foretold),
      end,
      ...lastOne(overview, edge),
    ],
    isDangerous: true,
  };
}

function lastOne({ edges }: Overview, edge: SeenEdge): string[] {
  const others = edges.edges.filter((one) => one !== edge && one.report.isReady);
  const { connections } = edge.report;
  if (others.length === 0) return ["No other edge is ready: clients have nowhere to go."];
  const room = others.reduce((sum, { report }) => {
    return sum + Math.max(0, report.connectionsMax - report.connections);
  }, 0);
  if (room >= connections) return [];
  return [`The others have room for ${room} of ${connections}: the rest is refused for a while.`];
}

function undrainPlan(overview: Overview, id: string): PlanView {
  const { state, weight } = edgeOf(overview.edges, id).report;
  const standing = { action: `undrain ${id}`, reconnects: 0, isDangerous: false };
  if (state === "serving") {
    const effects = [`${id} is serving already: nothing changes.`];
    return { ...standing, effects, moves: [], isForetold: true };
  }
  const foretold = forecast(overview, { joining: { edge: id, weight } });
  return {
    ...standing,
    effects: [
      `${id} takes newcomers again, and its share of the partitions. Clients come to it as they connect.`,
      ...unforetold(foretold),
    ],
    ...foretold,
  };
}
