import { HARMLESS, unforetold } from "../plan/plan-sentences.ts";
import { forecast } from "../plan/redistribution.ts";
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
        const foretold = forecast(overview, {});
        return {
          action: "distribute the partitions anew",
          effects: [
            "The edges join their group again and share the partitions by weight, with as few moves as that takes.",
            ...unforetold(foretold),
            HARMLESS,
          ],
          ...foretold,
          reconnects: 0,
          isDangerous: false,
        };
      },
      run: async (context) => {
        const { moves } = forecast(context.overview, {});
        const { report } = await order(context, { method: "POST", path: "/v1/rejoin" });
        return { done: `The partitions are distributed anew (${report.id} asked for it).`, moves };
      },
    };
  },
};
