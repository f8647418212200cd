import type { ApiCall } from "../api/routes.ts";
import type { DoneView, PlanView } from "../api/views.ts";
import type { ControlServices } from "../control-services.ts";
import { overviewOf } from "../overview/overview.ts";
import { refusalOf, refuse } from "../refusal.ts";
import type { CallContext, OperatorCall } from "./operator-call.ts";

/**
 * Plans a call, or carries it out. What is carried out stands in the audit before anything is done,
 * and with its outcome afterwards; a call whose words are wrong does nothing, and leaves nothing there.
 */
export async function carryOut(
  services: ControlServices,
  { action, prepare }: OperatorCall,
  call: ApiCall,
): Promise<PlanView | DoneView> {
  const { operator, address } = call;
  const isDryRun = isDry(call);
  const { parameters, plan, run } = prepare(call);
  const seenBefore = async (): Promise<CallContext> => {
    const overview = await overviewOf(services, { token: operator.token, isFresh: true });
    return { services, overview, operator };
  };
  if (isDryRun) return plan(await seenBefore());
  const entry = await services.audit.begin({
    operator: operator.name,
    address,
    action,
    parameters,
  });
  try {
    const done = await run(await seenBefore());
    await services.audit.end(entry, { status: 200, outcome: done.done });
    return { auditId: entry.id, ...done };
  } catch (cause) {
    const { status, message } = refusalOf(cause);
    await services.audit.end(entry, { status, outcome: message });
    throw cause;
  } finally {
    services.directory.forget();
    services.cluster.forget();
  }
}

/** A misspelt wish to only look must not be carried out. */
function isDry({ query }: ApiCall): boolean {
  const other = Object.keys(query).find((name) => name !== "dryRun");
  if (other !== undefined) refuse(400, "the only parameter here is dryRun");
  const { dryRun = "false" } = query;
  if (dryRun !== "true" && dryRun !== "false") refuse(400, "dryRun must be true or false");
  return dryRun === "true";
}
