import type { ControlServices } from "../control-services.ts";
import { clientExplanation, conversationExplanation } from "../explain/gathered-facts.ts";
import { LIMITS } from "../limits.ts";
import { edgeViews } from "../overview/edge-views.ts";
import { type Overview, overviewOf } from "../overview/overview.ts";
import { partitionViews } from "../overview/partition-views.ts";
import { silenceView, statusView } from "../overview/status-view.ts";
import { refuse } from "../refusal.ts";
import type { Operator } from "./operators.ts";
import type { EdgesView, PartitionsView } from "./views.ts";

/** One call of an operator who was identified. */
export interface ApiCall {
  readonly operator: Operator;
  readonly address: string;
  /** The parts of the path that stand for names. */
  readonly names: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

/** What is only looked at. */
export interface ReadRoute {
  readonly path: string;
  readonly answer: (services: ControlServices, call: ApiCall) => Promise<object>;
}

export const READ_ROUTES: readonly ReadRoute[] = [
  { path: "/v1/status", answer: seen(statusView) },
  { path: "/v1/edges", answer: seen(edgesView) },
  { path: "/v1/partitions", answer: seen(partitionsView) },
  { path: "/v1/orders", answer: orders },
  { path: "/v1/entry", answer: async ({ clientUrls }) => ({ urls: clientUrls }) },
  { path: "/v1/explain/clients/:user", answer: clientExplanation },
  { path: "/v1/explain/conversations/:conversation", answer: conversationExplanation },
  { path: "/v1/reassignments", answer: ({ throttles }) => throttles.view() },
  { path: "/v1/audit", answer: audit },
  {
    path: "/v1/topics",
    answer: async ({ topicChecks }) => ({ topics: await topicChecks.check() }),
  },
];

function seen(view: (overview: Overview) => object): ReadRoute["answer"] {
  return async (services, { operator: { token } }) => view(await overviewOf(services, { token }));
}

function edgesView(overview: Overview): EdgesView {
  return { edges: edgeViews(overview), ...silenceView(overview) };
}

function partitionsView(overview: Overview): PartitionsView {
  return { partitions: partitionViews(overview), ...silenceView(overview) };
}

async function orders(services: ControlServices, { operator }: ApiCall): Promise<object> {
  const { edges } = await overviewOf(services, { token: operator.token, isFresh: true });
  return edges.orders ?? refuse(503, "no edge tells of orders: look at `millrace status`");
}

const AUDIT_LIMIT = 50;

async function audit({ auditReader }: ControlServices, { query }: ApiCall): Promise<object> {
  const { limit = String(AUDIT_LIMIT), after } = query;
  const count = Number(limit);
  if (!Number.isSafeInteger(count) || count < 1 || count > LIMITS.auditLimit) {
    refuse(400, `limit must be a whole number from 1 to ${LIMITS.auditLimit}`);
  }
  if (after === undefined) return auditReader.page(count);
  const isPlace = typeof after === "string" && /^\d{1,18}$/.test(after);
  if (!isPlace) refuse(400, "after must be what an earlier answer has called next");
  return auditReader.page(count, BigInt(after));
}
