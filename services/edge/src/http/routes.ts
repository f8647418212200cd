import { type ConversationId, parseConversation } from "@millrace/schemas";
import type { Admission } from "../admission/admission.ts";
import type { Identity } from "../admission/identity.ts";
import type { Tickets } from "../admission/tickets.ts";
import type { EdgeLimits } from "../limits.ts";
import type { HistoryPages } from "./history-pages.ts";
import { failureAnswer, foreignOrigin, jsonAnswer, refusalAnswer } from "./http-answer.ts";
import type { BodyOutcome, HttpAnswer, HttpExchange } from "./http-exchange.ts";
import type { MessagePosts } from "./message-posts.ts";
import type { Sessions } from "../session/sessions.ts";
import { OPENAPI_TEXT } from "./openapi.ts";
import { endAnswer, listAnswer } from "./session-answers.ts";

/** What the routes' answers stand on. */
export interface HttpServices {
  readonly limits: EdgeLimits;
  readonly admission: Admission;
  readonly tickets: Tickets;
  readonly history: HistoryPages;
  readonly posts: MessagePosts;
  readonly sessions: Pick<Sessions, "list" | "end">;
}

export interface Call {
  readonly exchange: HttpExchange;
  /** The part of the path that stands for a name, as it came. */
  readonly parameter: string;
  readonly body: Promise<BodyOutcome>;
}

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** As the OpenAPI description spells it. */
  readonly path: string;
  readonly hasBody?: true;
  /** It is about a connection, and refused where those are. */
  readonly isOfNewcomers?: true;
  readonly answer: (services: HttpServices, call: Call) => Promise<HttpAnswer>;
}

const RETRY_MS = 1_000;
const MESSAGES = "/v1/conversations/{c}/messages";

/** Every request that is answered with something; probes are answered by the API itself. */
export const ROUTES: readonly Route[] = [
  { method: "GET", path: "/v1/connect", isOfNewcomers: true, answer: connectStatus },
  { method: "GET", path: "/v1/openapi.json", answer: description },
  { method: "POST", path: "/v1/tickets", answer: ticket },
  { method: "GET", path: "/v1/sessions", answer: sessionList },
  { method: "DELETE", path: "/v1/sessions/{session}", answer: sessionEnd },
  { method: "GET", path: MESSAGES, answer: historyPage },
  { method: "POST", path: MESSAGES, hasBody: true, answer: messagePost },
];

/** The status that an upgrade would get, for browsers, which can't see it there. */
async function connectStatus({ admission }: HttpServices, { exchange }: Call): Promise<HttpAnswer> {
  const { address, query, headers } = exchange;
  const decision = await admission.decide({ address, query, headers, isUpgrade: false });
  if (decision.kind === "refused") return refusalAnswer(decision.refusal);
  decision.leave();
  return { status: 204 };
}

function description({ admission }: HttpServices, { exchange }: Call): Promise<HttpAnswer> {
  const isAllowed = admission.allows(exchange.headers.get("origin"));
  return Promise.resolve(isAllowed ? { status: 200, body: OPENAPI_TEXT } : foreignOrigin());
}

async function ticket(services: HttpServices, { exchange }: Call): Promise<HttpAnswer> {
  const { admission, tickets, limits } = services;
  const identity = await admission.identify(exchange);
  const [origin] = exchange.headers.get("origin") ?? [];
  const issued = await tickets.issue({ identity, origin });
  if (issued !== undefined) {
    return jsonAnswer(200, { ticket: issued, expiresInMs: limits.ticketMs });
  }
  const message = "tickets can't be kept at the moment";
  return failureAnswer({ code: "unavailable", message, retryMs: RETRY_MS });
}

/** The user's own, of all devices. */
async function sessionList(services: HttpServices, { exchange }: Call): Promise<HttpAnswer> {
  const { user } = await services.admission.identify(exchange);
  return listAnswer(await services.sessions.list(user));
}

async function sessionEnd(services: HttpServices, call: Call): Promise<HttpAnswer> {
  const { user } = await services.admission.identify(call.exchange);
  return endAnswer(await services.sessions.end(user, call.parameter));
}

function historyPage(services: HttpServices, call: Call): Promise<HttpAnswer> {
  const { query, signal } = call.exchange;
  return ofConversation(services, call, (place) =>
    services.history.answer({ ...place, query, signal }),
  );
}

function messagePost(services: HttpServices, call: Call): Promise<HttpAnswer> {
  const { headers } = call.exchange;
  return ofConversation(services, call, (place) =>
    services.posts.answer({ ...place, headers, body: call.body }),
  );
}

async function ofConversation(
  { admission }: HttpServices,
  { exchange, parameter }: Call,
  answer: (place: {
    readonly identity: Identity;
    readonly conversation: ConversationId;
  }) => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const identity = await admission.identify(exchange);
  const conversation = conversationIn(parameter);
  if (conversation !== undefined) return answer({ identity, conversation });
  const message = "the path has no percent-encoded conversation id";
  return failureAnswer({ code: "bad-conversation", message });
}

function conversationIn(parameter: string): ConversationId | undefined {
  try {
    return parseConversation(decodeURIComponent(parameter))?.id;
  } catch {
    // A broken escape, or bytes that are no UTF-8: no conversation is spelled like that.
    return undefined;
  }
}
