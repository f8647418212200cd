import type { ConnectionReport, ConversationReport } from "@millrace/schemas";
import { parseConversation, parseUserId, partitionOf } from "@millrace/schemas";
import type { ApiCall } from "../api/routes.ts";
import type { ExplanationView } from "../api/views.ts";
import type { ControlServices } from "../control-services.ts";
import { type SeenEdge, isGood } from "../edges/edge-directory.ts";
import { type Overview, overviewOf } from "../overview/overview.ts";
import { partitionCount } from "../overview/owners.ts";
import { partitionViews } from "../overview/partition-views.ts";
import { isPathName } from "../path-name.ts";
import { refuse } from "../refusal.ts";
import type { EdgeConnection, RulingFact } from "./client-facts.ts";
import { explainClient } from "./explain-client.ts";
import { type EdgeConversation, explainConversation } from "./explain-conversation.ts";
import type { FleetFacts } from "./finding.ts";

/** Each edge's answer, by the edge's id. */
type Ask = (path: string) => Promise<{ readonly edge: string; readonly json: unknown }[]>;

/** Everything that edges know of a user; of one conversation where the query names it. */
export async function clientExplanation(
  services: ControlServices,
  call: ApiCall,
): Promise<ExplanationView> {
  const user = parseUserId(nameIn(call.names["user"])) ?? refuse(400, "this is no user id");
  const conversation = conversationIn(call.query["conversation"]);
  const overview = await seenBy(services, call);
  const ask = askerOf(services, overview, call);
  const name = encodeURIComponent(user);
  const query =
    conversation === undefined ? "" : `?conversation=${encodeURIComponent(conversation)}`;
  const [lists, rulings] = await Promise.all([
    ask(`/v1/users/${name}/connections${query}`),
    ask(`/v1/rulings?user=${name}`),
  ]);
  const connections: EdgeConnection[] = lists.flatMap(({ edge, json }) =>
    ((json as { connections?: ConnectionReport[] } | null)?.connections ?? []).map(
      (connection) => ({
        ...connection,
        edge,
      }),
    ),
  );
  const facts = {
    user,
    ...(conversation !== undefined && { conversation }),
    ...fleetFacts(overview),
    connections,
    // Each edge has read all of them, some perhaps a moment earlier.
    rulings: (rulings[0]?.json as { rulings?: RulingFact[] } | null | undefined)?.rulings ?? null,
  };
  return { subject: { client: user }, ...explainClient(facts), connections };
}

export async function conversationExplanation(
  services: ControlServices,
  call: ApiCall,
): Promise<ExplanationView> {
  const conversation =
    conversationIn(nameIn(call.names["conversation"])) ?? refuse(400, "this is no conversation id");
  const overview = await seenBy(services, call);
  const ask = askerOf(services, overview, call);
  const path = `/v1/conversations/${encodeURIComponent(conversation)}`;
  const reports = await ask(path);
  const onEdges: EdgeConversation[] = reports.map(({ edge, json }) => ({
    ...(json as ConversationReport),
    edge,
  }));
  const count = partitionCount(overview);
  const partition = count === 0 ? undefined : partitionOf(Buffer.from(conversation), count);
  const facts = { conversation, partition, ...fleetFacts(overview), onEdges };
  return { subject: { conversation }, ...explainConversation(facts), onEdges };
}

function seenBy(services: ControlServices, { operator }: ApiCall): Promise<Overview> {
  return overviewOf(services, { token: operator.token, isFresh: true });
}

/** Edges are asked with it in a path. */
function nameIn(name: string | undefined): string | undefined {
  if (name === undefined || isPathName(name)) return name;
  return refuse(400, "`.` and `..` can't be asked for: HTTP takes them for folders");
}

function conversationIn(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return parseConversation(value)?.id ?? refuse(400, "this is no conversation id");
}

/** All edges at once; those that do not know the call, or fail, are left out. */
function askerOf({ directory }: ControlServices, { edges }: Overview, { operator }: ApiCall): Ask {
  return async (path) => {
    const one = async (edge: SeenEdge) => {
      const answer = await directory.ask(edge, operator.token, { method: "GET", path });
      return isGood(answer) ? [{ edge: edge.report.id, json: answer.json }] : [];
    };
    return (await Promise.all(edges.edges.map(one))).flat();
  };
}

function fleetFacts(overview: Overview): FleetFacts {
  const { edges, cluster } = overview;
  return {
    isKafkaUp: cluster.isUp,
    edges: edges.edges.map(({ report: { id, state, isRedisUp } }) => ({ id, state, isRedisUp })),
    unreachable: [
      ...edges.unreachable.map(({ address }) => address),
      ...(edges.unasked > 0 ? [`${edges.unasked} more that are not asked`] : []),
    ],
    partitions: partitionViews(overview),
  };
}
