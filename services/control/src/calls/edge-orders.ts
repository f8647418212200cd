import type { EdgeRequest } from "../edges/edge-client.ts";
import type { OrderOutcome, SeenEdge } from "../edges/edge-directory.ts";
import { refuse } from "../refusal.ts";
import type { CallContext } from "./operator-call.ts";

interface Concern {
  /** The edge that has to hear of it. */
  readonly about?: string;
  /** What takes it back, in words. */
  readonly undo?: string;
}

const TRY_AGAIN = "look at `millrace status`, and try again";

/**
 * Orders are the whole fleet's, so any edge takes them: the one that they are about first, since it is
 * the one that has to hear of them, then the others. Throws a RefusalError when none has taken it.
 */
export async function order(
  context: CallContext,
  request: EdgeRequest,
  { about, undo = TRY_AGAIN }: Concern = {},
): Promise<SeenEdge> {
  const outcome = await tryOrder(context, request, about);
  if (outcome.kind === "taken") return outcome.edge;
  const { kind, status, why } = outcome;
  if (kind === "unknown") {
    return refuse(status, `no edge has confirmed it (${why}); it may hold all the same: ${undo}`);
  }
  if (status !== 502) return refuse(status, `the edges refuse it (${why})`);
  return refuse(status, `no edge has taken it (${why}): ${TRY_AGAIN}`);
}

/** The same, for who has to know what may hold. Never rejects. */
export function tryOrder(
  { services, overview, operator }: CallContext,
  request: EdgeRequest,
  about?: string,
): Promise<OrderOutcome> {
  const { edges } = overview.edges;
  const first = edges.filter(({ report }) => report.id === about);
  const others = edges.filter(({ report }) => report.id !== about);
  const willing = [...first, ...others.filter(({ report }) => report.state !== "draining")];
  return services.directory.askAny(willing, operator.token, request);
}

export function pinRequest(partition: number, edge: string | null): EdgeRequest {
  const path = `/v1/pins/${partition}`;
  return edge === null ? { method: "DELETE", path } : { method: "PUT", path, body: { edge } };
}
