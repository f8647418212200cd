import type { ControlServices } from "../control-services.ts";
import { edgeViews } from "../overview/edge-views.ts";
import { type Overview, overviewOf } from "../overview/overview.ts";
import { partitionViews } from "../overview/partition-views.ts";
import { statusView } from "../overview/status-view.ts";
import { refuse } from "../refusal.ts";
import type { Operator } from "./operators.ts";

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
  { path: "/v1/edges", answer: seen((overview) => ({ edges: edgeViews(overview) })) },
  {
    path: "/v1/partitions",
    answer: seen((overview) => ({ partitions: partitionViews(overview) })),
  },
  { path: "/v1/orders", answer: orders },
  { path: "/v1/entry", answer: async ({ clientUrls }) => ({ urls: clientUrls }) },
  {
    path: "/v1/topics",
    answer: async ({ topicChecks }) => ({ topics: await topicChecks.check() }),
  },
];

function seen(view: (overview: Overview) => object): ReadRoute["answer"] {
  return async (services, { operator: { token } }) => view(await overviewOf(services, { token }));
}

async function orders(services: ControlServices, { operator }: ApiCall): Promise<object> {
  const { edges } = await overviewOf(services, { token: operator.token, isFresh: true });
  return edges.orders ?? refuse(503, "no edge tells of orders: look at `millrace status`");
}
