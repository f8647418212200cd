import { refuse } from "../admission/refusal.ts";
import type { HttpAnswer } from "../http/http-exchange.ts";
import { endAnswer, listAnswer } from "../http/session-answers.ts";
import type { Sessions } from "../session/sessions.ts";
import { type DrainServices, drainLift, drainPut } from "./drain-calls.ts";
import {
  type OrderServices,
  liftOrder,
  orderList,
  pausePut,
  pinPut,
  rejoin,
  weightPut,
} from "./order-calls.ts";
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
  readonly orders: OrderServices;
  readonly stopping: DrainServices;
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
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  /** What stands in the audit. */
  readonly action: string;
  /**
   * Asked every second by whoever watches the fleet, and about no user: its line in the log is for
   * debugging only.
   */
  readonly isPolled?: true;
  readonly answer: (services: AdminServices, call: AdminCall) => Promise<HttpAnswer>;
}

const USER_SESSIONS = "/v1/users/{user}/sessions";
const BAN = "/v1/bans/{user}";
const REMOVAL = "/v1/removals/{conversation}/{user}";
const BEGINNING = "/v1/beginnings/{conversation}/{user}";
const PIN = "/v1/pins/{partition}";
const WEIGHT = "/v1/weights/{edge}";
const PAUSE = "/v1/pauses/{partition}";
const DRAIN = "/v1/drain";

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
  { method: "GET", path: "/v1/orders", action: "orders.list", isPolled: true, answer: orderList },
  { method: "PUT", path: PIN, action: "pin.put", answer: pinPut },
  { method: "DELETE", path: PIN, action: "pin.lift", answer: liftOrder("pin") },
  { method: "PUT", path: WEIGHT, action: "weight.put", answer: weightPut },
  { method: "DELETE", path: WEIGHT, action: "weight.lift", answer: liftOrder("weight") },
  { method: "PUT", path: PAUSE, action: "pause.put", answer: pausePut },
  { method: "DELETE", path: PAUSE, action: "pause.lift", answer: liftOrder("pause") },
  { method: "POST", path: "/v1/rejoin", action: "rejoin", answer: rejoin },
  { method: "PUT", path: DRAIN, action: "drain", answer: drainPut },
  { method: "DELETE", path: DRAIN, action: "drain.lift", answer: drainLift },
];

async function sessionList({ sessions }: AdminServices, { names }: AdminCall): Promise<HttpAnswer> {
  return listAnswer(await sessions.list(userOf(names["user"])));
}

async function sessionEnd({ sessions }: AdminServices, { names }: AdminCall): Promise<HttpAnswer> {
  const { session = "" } = names;
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(session)) refuse(404, "this user has no such session");
  return endAnswer(await sessions.end(userOf(names["user"]), session));
}
