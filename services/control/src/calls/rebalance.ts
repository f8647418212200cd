import { HARMLESS, NOT_FORETOLD, movesSentence } from "../plan/plan-sentences.ts";
import { isGroupKnown, movesOf } from "../plan/redistribution.ts";
import { fieldsOf } from "./call-words.ts";
import { order } from "./edge-orders.ts";
import type { OperatorCall } from "./operator-call.ts";

export const REBALANCE_CALL: OperatorCall = {
  method: "POST",
  path: "/v1/rebalance",
  action: "rebalance",
  prepare: (call) => {
    fieldsOf(call, []);
    return {
      parameters: {},
      plan: ({ overview }) => {
        const moves = movesOf(overview, {});
        return {
          action: "distribute the partitions anew",
          effects: [
            "The edges join their group again and share the partitions by weight, with as few moves as that takes.",
            isGroupKnown(overview) ? movesSentence(moves) : NOT_FORETOLD,
            HARMLESS,
          ],
          moves,
          reconnects: 0,
          isDangerous: false,
        };
      },
      run: async (context) => {
        const moves = movesOf(context.overview, {});
        const { report } = await order(context, { method: "POST", path: "/v1/rejoin" });
        return { done: `${report.id} has the partitions distributed anew.`, moves };
      },
    };
  },
};
