import { DRAIN_CALLS } from "./drains.ts";
import { MOVE_CALLS } from "./moves.ts";
import type { OperatorCall } from "./operator-call.ts";
import { PAUSE_CALLS } from "./pauses.ts";
import { REASSIGNMENT_CALLS } from "./reassignments.ts";
import { REBALANCE_CALL } from "./rebalance.ts";
import { WEIGHT_CALLS } from "./weights.ts";

/** Everything that changes something; each is described in services/control/README.md. */
export const OPERATOR_CALLS: readonly OperatorCall[] = [
  ...MOVE_CALLS,
  ...WEIGHT_CALLS,
  REBALANCE_CALL,
  ...DRAIN_CALLS,
  ...PAUSE_CALLS,
  ...REASSIGNMENT_CALLS,
];
