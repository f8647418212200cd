import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "@millrace/runtime";
import { parseUserId } from "@millrace/schemas";
import { type Refusal, RefusalError, refuse } from "../admission/refusal.ts";
import { jsonAnswer, refusalAnswer } from "../http/http-answer.ts";
import type { HttpAnswer } from "../http/http-exchange.ts";
import { endAnswer, listAnswer } from "../http/session-answers.ts";
import type { Sessions } from "../session/sessions.ts";

export interface AdminPage {
  readonly port: number;
  close(): void;
}

export interface AdminPageOptions {
  /** `host:port`; port 0 takes any free one. */
  readonly address: string;
  readonly logger: Logger;
  readonly sessions: Pick<Sessions, "list" | "end">;
  /** Who the bearer of the token is, where its scope covers this page. Throws a RefusalError. */
  readonly identify: (authorization: string | undefined) => Promise<string>;
}

interface Operation {
  readonly action: "sessions.list" | "session.end";
  readonly user: string;
  readonly session?: string;
}

const USERS = /^\/v1\/users\/([^/]+)\/sessions(?:\/([A-Za-z0-9_-]{1,64}))?$/;

/**
 * What an operator may do on this edge, on a port of its own: `GET /v1/users/{user}/sessions`, and
 * `DELETE /v1/users/{user}/sessions/{session}`. Each call needs a token of the scope
 * `millrace:admin` and leaves a line in the log, whatever came of it.
 */
export function startAdminPage(options: AdminPageOptions): Promise<AdminPage> {
  const server = createServer((request, response) => {
    void answerOf(options, request).then((answer) => respond(response, answer));
  });
  const [, host, port] = /^(.*):(\d+)$/.exec(options.address) ?? [];
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(port), host?.replace(/^\[|\]$/g, ""), () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () => {
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}

/** Never rejects. */
async function answerOf(options: AdminPageOptions, request: IncomingMessage): Promise<HttpAnswer> {
  const { identify, logger, sessions } = options;
  const audit: Record<string, unknown> = { address: request.socket.remoteAddress };
  try {
    audit["operator"] = await identify(request.headers.authorization);
    const operation = operationOf(request);
    Object.assign(audit, operation);
    const answer = await run(sessions, operation);
    logger.info({ ...audit, status: answer.status }, "audit");
    return answer;
  } catch (cause) {
    const refusal = refusalOf(cause);
    logger.warn({ ...audit, status: refusal.status, why: refusal.message }, "audit");
    if (!(cause instanceof RefusalError)) logger.error({ err: cause }, "an admin call failed");
    return refusalAnswer(refusal);
  }
}

function operationOf({ method, url = "" }: IncomingMessage): Operation {
  const [, encoded = "", session] = USERS.exec(url.split("?")[0] ?? "") ?? refuseUnknown();
  const user = decoded(encoded);
  if (method === "GET" && session === undefined) return { action: "sessions.list", user };
  if (method === "DELETE" && session !== undefined) return { action: "session.end", user, session };
  return refuseUnknown();
}

async function run(
  sessions: AdminPageOptions["sessions"],
  operation: Operation,
): Promise<HttpAnswer> {
  const user = parseUserId(operation.user) ?? refuse(400, "this is no user id");
  if (operation.session === undefined) return listAnswer(await sessions.list(user));
  return endAnswer(await sessions.end(user, operation.session));
}

function refuseUnknown(): never {
  return refuse(404, "GET /v1/users/{user}/sessions, DELETE /v1/users/{user}/sessions/{session}");
}

function decoded(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    // A broken escape spells no user.
    return "";
  }
}

function refusalOf(cause: unknown): Refusal {
  if (cause instanceof RefusalError) return cause.refusal;
  return { status: 503, message: "a defect on the server's side", retryAfterS: 1 };
}

function respond(response: ServerResponse, answer: HttpAnswer): void {
  const { status, headers, body = jsonAnswer(status, {}).body } = answer;
  response.writeHead(status, {
    ...headers,
    "Cache-Control": "no-store",
    "Content-Type": "application/json",
  });
  response.end(status === 204 ? undefined : body);
}
