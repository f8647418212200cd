import type { ApiCall } from "../api/routes.ts";
import type { Operator } from "../api/operators.ts";
import type { DoneView, PlanView } from "../api/views.ts";
import type { ControlServices } from "../control-services.ts";
import type { Overview } from "../overview/overview.ts";

/** What a call is planned and carried out with: everything as it was seen just before. */
export interface CallContext {
  readonly services: ControlServices;
  readonly overview: Overview;
  readonly operator: Operator;
}

/** A call whose words are in order. Plans and runs throw a RefusalError where it can't be done. */
export interface PreparedCall {
  /** As they stand in the audit. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly plan: (context: CallContext) => PlanView | Promise<PlanView>;
  readonly run: (context: CallContext) => Promise<Omit<DoneView, "auditId">>;
}

/** One call that changes something. */
export interface OperatorCall {
  readonly method: "POST" | "PUT" | "DELETE";
  readonly path: string;
  /** What stands in the audit. */
  readonly action: string;
  /** Throws a RefusalError where the words of the call are not in order. */
  readonly prepare: (call: ApiCall) => PreparedCall;
}
