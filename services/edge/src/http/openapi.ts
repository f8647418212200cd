import { LAST_MAX, PROTOCOL_VERSION } from "@millrace/schemas";
import { LIMITS } from "../limits.ts";
import { PAGE_COUNT_DEFAULT } from "./history-pages.ts";
import { CONVERSATION, SCHEMAS, ref } from "./openapi-schemas.ts";

/** Every status but success, and what it means of all requests that may get it. */
const FAILURES = {
  400: "Something in the request is malformed: a `bad-…` names what.",
  401: "No valid credential; `WWW-Authenticate` says why.",
  403: "Not with this token, or not from this origin.",
  404: "There is no such thing.",
  409: "The attempt is not higher than the last accepted.",
  413: "The body, `meta` or the whole request is too large.",
  415: "The body is no plain JSON.",
  429: "Too much at once; `Retry-After` and `retryMs` say when to try again.",
  500: "A defect on the server's side.",
  503: "Draining, overloaded, or a dependency is away; `Retry-After` says when to try again.",
} as const;

type FailureStatus = keyof typeof FAILURES;

const BEARER = [{ bearer: [] }];

/** Answers to a request that was identified: those of the checks, and of a defect. */
const CHECKED: readonly FailureStatus[] = [400, 401, 403, 429, 500, 503];

/** HTTP beside the WebSocket (docs/protocol.md §9), in the words of OpenAPI 3.1. */
export const OPENAPI = {
  openapi: "3.1.0",
  info: {
    title: "Millrace",
    version: `${PROTOCOL_VERSION}.0.0`,
    summary: "History, publishes and tickets beside the WebSocket",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  servers: [{ url: "/" }],
  paths: {
    "/v1/connect": { get: connectOperation() },
    "/v1/tickets": { post: ticketOperation() },
    "/v1/sessions": { get: sessionsOperation() },
    "/v1/sessions/{session}": {
      parameters: [{ name: "session", in: "path", required: true, schema: { type: "string" } }],
      delete: endOperation(),
    },
    "/v1/conversations/{c}/messages": {
      parameters: [{ name: "c", in: "path", required: true, schema: CONVERSATION }],
      get: pageOperation(),
      post: publishOperation(),
    },
    "/v1/openapi.json": {
      get: {
        operationId: "describe",
        summary: "This description",
        security: [],
        responses: { 200: json("The description", { type: "object" }), ...failures([403, 503]) },
      },
    },
    "/healthz": { get: probeOperation("healthz", "The process lives", []) },
    "/readyz": {
      get: probeOperation("readyz", "The edge takes new clients", [503], {
        stalledPartitions: {
          type: "array",
          items: { type: "integer" },
          description: "Partitions whose records do not come, though the log has them",
        },
      }),
    },
  },
  components: {
    securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
    schemas: SCHEMAS,
  },
};

export const OPENAPI_TEXT = JSON.stringify(OPENAPI);

function sessionsOperation(): object {
  return {
    operationId: "listSessions",
    summary: "The user's sessions, of all devices",
    security: BEARER,
    responses: { 200: json("The sessions", ref("Sessions")), ...failures(CHECKED) },
  };
}

function endOperation(): object {
  return {
    operationId: "endSession",
    summary: "Ends one of the user's sessions; its connection is closed with 4403",
    security: BEARER,
    responses: { 204: { description: "It has ended." }, ...failures([...CHECKED, 404]) },
  };
}

function connectOperation(): object {
  return {
    operationId: "connect",
    summary: "Opens the WebSocket of docs/protocol.md; without an upgrade, tells whether it would",
    security: [...BEARER, {}],
    parameters: [
      inQuery("ticket", { type: "string" }, "A one-time ticket instead of the token."),
      inQuery("device", { type: "string", pattern: "^[A-Za-z0-9._-]{1,64}$" }),
      inQuery("session", { type: "string" }),
      inQuery("attempt", { type: "integer", minimum: 0 }),
      inQuery("restore", { enum: ["0", "1"] }),
    ],
    responses: {
      101: { description: "The WebSocket is open." },
      204: { description: "An upgrade would be accepted." },
      ...failures([400, 401, 403, 409, 429, 500, 503]),
    },
  };
}

function ticketOperation(): object {
  return {
    operationId: "buyTicket",
    summary: "A ticket that opens one connection, for this user and from this origin",
    security: BEARER,
    responses: { 200: json("The ticket", ref("Ticket")), ...failures(CHECKED) },
  };
}

function pageOperation(): object {
  const count = { type: "integer", minimum: 1, maximum: LAST_MAX, default: PAGE_COUNT_DEFAULT };
  return {
    operationId: "readMessages",
    summary: "A page of a conversation's history; without `after` and `before`, the newest",
    security: BEARER,
    parameters: [
      inQuery("after", ref("Position"), "The messages behind it, oldest first."),
      inQuery("before", ref("Position"), "The newest messages strictly before that one."),
      inQuery("limit", count),
    ],
    responses: { 200: json("The page", ref("Page")), ...failures(CHECKED) },
  };
}

function publishOperation(): object {
  return {
    operationId: "publishMessage",
    summary: "Appends a message; the answer comes when all in-sync replicas have it",
    security: BEARER,
    parameters: [
      {
        name: "Idempotency-Key",
        in: "header",
        description: "The same as `key` in the body; either is enough.",
        schema: ref("Key"),
      },
    ],
    requestBody: {
      required: true,
      description: `At most ${LIMITS.announced.frameBytes} bytes.`,
      content: { "application/json": { schema: ref("NewMessage") } },
    },
    responses: {
      201: json("It is in the log", ref("Published")),
      ...failures([...CHECKED, 413, 415]),
    },
  };
}

function probeOperation(
  operationId: string,
  summary: string,
  statuses: readonly FailureStatus[],
  more: Readonly<Record<string, object>> = {},
): object {
  const answer = { type: "object", properties: { status: { type: "string" }, ...more } };
  return {
    operationId,
    summary,
    security: [],
    responses: { 200: json(summary, answer), ...failures(statuses) },
  };
}

function inQuery(name: string, schema: object, description?: string): object {
  return { name, in: "query", ...(description !== undefined && { description }), schema };
}

function failures(statuses: readonly FailureStatus[]): Record<string, object> {
  return Object.fromEntries(
    statuses.map((status) => [status, json(FAILURES[status], ref("Error"))]),
  );
}

function json(description: string, schema: object): object {
  return { description, content: { "application/json": { schema } } };
}
