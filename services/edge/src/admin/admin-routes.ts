import { refuse } from "../admission/refusal.ts";
import { jsonAnswer } from "../http/http-answer.ts";
import type { HttpAnswer } from "../http/http-exchange.ts";
import { endAnswer, listAnswer } from "../http/session-answers.ts";
import type { Sessions } from "../session/sessions.ts";
import {
  type ReportServices,
  connectionReports,
  conversationReport,
  edgeReport,
} from "./report-calls.ts";
import {
  type RulingServices,
  banPut,
  beginningPut,
  liftOf,
  removalPut,
  rulingList,
  userOf,
} from "./ruling-calls.ts";

/** What operators' calls are answered with. */
export interface AdminServices {
  readonly sessions: Pick<Sessions, "list" | "end">;
  readonly rulings: RulingServices;
  readonly reports: ReportServices;
  readonly stopping: {
    readonly drainMs: number;
    /** Undefined: whoever has started the edge ends it. */
    readonly stop: (() => void) | undefined;
  };
}

/** One call of an operator who was identified. */
export interface AdminCall {
  readonly operator: string;
  /** The parts of the path that stand for names, percent-decoded. */
  readonly names: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Uint8Array;
}

export interface AdminRoute {
  readonly method: "GET" | "PUT" | "DELETE";
  readonly path: string;
  /** What stands in the audit. */
  readonly action: string;
  /** Asked every second by whoever watches: its line in the log is for debugging only. */
  readonly isPolled?: true;
  readonly answer: (services: AdminServices, call: AdminCall) => Promise<HttpAnswer>;
}

const USER_SESSIONS = "/v1/users/{user}/sessions";
const BAN = "/v1/bans/{user}";
const REMOVAL = "/v1/removals/{conversation}/{user}";
const BEGINNING = "/v1/beginnings/{conversation}/{user}";

/** Everything an operator may call; each is described in docs/operations.md. */
export const ADMIN_ROUTES: readonly AdminRoute[] = [
  { method: "GET", path: "/v1/edge", action: "edge.report", isPolled: true, answer: edgeReport },
  {
    method: "GET",
    path: "/v1/users/{user}/connections",
    action: "connections.report",
    answer: connectionReports,
  },
  {
    method: "GET",
    path: "/v1/conversations/{conversation}",
    action: "conversation.report",
    answer: conversationReport,
  },
  { method: "GET", path: USER_SESSIONS, action: "sessions.list", answer: sessionList },
  {
    method: "DELETE",
    path: `${USER_SESSIONS}/{session}`,
    action: "session.end",
    answer: sessionEnd,
  },
  { method: "GET", path: "/v1/rulings", action: "rulings.list", answer: rulingList },
  { method: "PUT", path: BAN, action: "ban.put", answer: banPut },
  { method: "DELETE", path: BAN, action: "ban.lift", answer: liftOf("ban") },
  { method: "PUT", path: REMOVAL, action: "removal.put", answer: removalPut },
  { method: "DELETE", path: REMOVAL, action: "removal.lift", answer: liftOf("removal") },
  { method: "PUT", path: BEGINNING, action: "beginning.put", answer: beginningPut },
  { method: "DELETE", path: BEGINNING, action: "beginning.lift", answer: liftOf("beginning") },
  { method: "PUT", path: "/v1/drain", action: "drain", answer: drain },
];

async function sessionList({ sessions }: AdminServices, { names }: AdminCall): Promise<HttpAnswer> {
  return listAnswer(await sessions.list(userOf(names["user"])));
}

async function sessionEnd({ sessions }: AdminServices, { names }: AdminCall): Promise<HttpAnswer> {
  const { session = "" } = names;
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(session)) refuse(404, "this user has no such session");
  return endAnswer(await sessions.end(userOf(names["user"]), session));
}

/** Answered before the edge ends, and again while it does. */
async function drain({ stopping: { drainMs, stop } }: AdminServices): Promise<HttpAnswer> {
  if (stop === undefined) refuse(404, "this edge is ended by the process that it is part of");
  stop();
  return jsonAnswer(202, { drainMs });
}
