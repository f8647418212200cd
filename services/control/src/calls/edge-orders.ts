import type { EdgeRequest } from "../edges/edge-client.ts";
import type { SeenEdge } from "../edges/edge-directory.ts";
import type { CallContext } from "./operator-call.ts";

/**
 * Orders are the whole fleet's, so any edge takes them: the one that they are about first, since it is
 * the one that has to hear of them, then the others. Throws a RefusalError when none has taken it.
 */
export async function order(
  { services, overview, operator }: CallContext,
  request: EdgeRequest,
  about?: string,
): Promise<SeenEdge> {
  const { edges } = overview.edges;
  const first = edges.filter(({ report }) => report.id === about);
  const others = edges.filter(({ report }) => report.id !== about);
  const willing = [...first, ...others.filter(({ report }) => report.state !== "draining")];
  const { edge } = await services.directory.askAny(willing, operator.token, request);
  return edge;
}

export function pinRequest(partition: number, edge: string | null): EdgeRequest {
  const path = `/v1/pins/${partition}`;
  return edge === null ? { method: "DELETE", path } : { method: "PUT", path, body: { edge } };
}
