import type { PlanView } from "../api/views.ts";
import { edgeOf } from "../edges/edge-directory.ts";
import type { Overview } from "../overview/overview.ts";
import { HARMLESS, unforetold } from "../plan/plan-sentences.ts";
import { forecast } from "../plan/redistribution.ts";
import { edgeIn, fieldsOf, weightIn } from "./call-words.ts";
import { order } from "./edge-orders.ts";
import type { OperatorCall } from "./operator-call.ts";

const PATH = "/v1/weights/:edge";

export const WEIGHT_CALLS: readonly OperatorCall[] = [
  {
    method: "PUT",
    path: PATH,
    action: "weight",
    prepare: (call) => {
      const edge = edgeIn(call.names["edge"]);
      const weight = weightIn(fieldsOf(call, ["weight"])["weight"]);
      return {
        parameters: { edge, weight },
        plan: ({ overview }) => planOf(overview, edge, weight),
        run: async (context) => {
          edgeOf(context.overview.edges, edge);
          const path = `/v1/weights/${encodeURIComponent(edge)}`;
          const undo = `\`millrace weight ${edge} --clear\``;
          await order(context, { method: "PUT", path, body: { weight } }, { about: edge, undo });
          const isSame = orderedIn(context.overview, edge)?.weight === weight;
          return {
            done: isSame
              ? `${edge} had the weight ${weight} already: nothing changes.`
              : `${edge} has the weight ${weight}.`,
          };
        },
      };
    },
  },
  {
    method: "DELETE",
    path: PATH,
    action: "weight.lift",
    prepare: (call) => {
      fieldsOf(call, []);
      const edge = edgeIn(call.names["edge"]);
      return {
        parameters: { edge },
        plan: ({ overview }) => liftPlan(overview, edge),
        run: async (context) => {
          const path = `/v1/weights/${encodeURIComponent(edge)}`;
          await order(context, { method: "DELETE", path }, { about: edge });
          const { orders } = context.overview.edges;
          const wasFree = orders !== null && orderedIn(context.overview, edge) === undefined;
          return {
            done: wasFree
              ? `No weight was ordered for ${edge}: nothing changes.`
              : `${edge} has the weight of its own options again.`,
          };
        },
      };
    },
  },
];

function planOf(overview: Overview, edge: string, weight: number): PlanView {
  const { report } = edgeOf(overview.edges, edge);
  const action = `weight of ${edge} → ${weight}`;
  if (orderedIn(overview, edge)?.weight === weight) {
    const effects = [`${edge} has the weight ${weight} already: nothing changes.`];
    return { action, effects, moves: [], isForetold: true, reconnects: 0, isDangerous: false };
  }
  const foretold = forecast(overview, { weight: { edge, weight } });
  const isNone = weight === 0;
  return {
    action,
    effects: [
      `${edge} gets a weight of ${weight} beside the others'; it is ${report.weight} now.`,
      ...(isNone ? [`With 0 it owns no partition as long as any other edge has more.`] : []),
      ...unforetold(foretold),
      HARMLESS,
    ],
    ...foretold,
    reconnects: 0,
    isDangerous: isNone,
  };
}

/** What weight it was started with nobody but the edge knows. */
function liftPlan(overview: Overview, edge: string): PlanView {
  const ordered = orderedIn(overview, edge);
  if (ordered === undefined) edgeOf(overview.edges, edge);
  return {
    action: `weight of ${edge} → its own`,
    effects:
      ordered === undefined
        ? [`No weight is ordered for ${edge}: nothing changes.`]
        : [
            `${edge} has the weight of its option EDGE_WEIGHT again, instead of ${ordered.weight}.`,
            "What changes hands can't be foretold: only the edge knows that weight.",
            HARMLESS,
          ],
    moves: [],
    isForetold: ordered === undefined,
    reconnects: 0,
    isDangerous: false,
  };
}

function orderedIn({ edges }: Overview, edge: string) {
  return edges.orders?.weights.find((one) => one.edge === edge);
}
