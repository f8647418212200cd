import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "@millrace/runtime";
import { type Refusal, RefusalError, refuse } from "../admission/refusal.ts";
import { failureAnswer, jsonAnswer, refusalAnswer } from "../http/http-answer.ts";
import type { HttpAnswer } from "../http/http-exchange.ts";
import { ADMIN_ROUTES, type AdminRoute, type AdminServices } from "./admin-routes.ts";

export interface AdminPage {
  readonly port: number;
  close(): void;
}

export interface AdminPageOptions {
  /** `host:port`; port 0 takes any free one. */
  readonly address: string;
  readonly logger: Logger;
  readonly services: AdminServices;
  /** Who the bearer of the token is, where its scope covers this page. Throws a RefusalError. */
  readonly identify: (authorization: string | undefined) => Promise<string>;
}

interface Found {
  readonly route: AdminRoute;
  readonly names: Readonly<Record<string, string>>;
}

/** The largest body names a time, or a position. */
const BODY_BYTES_MAX = 4_096;

const PATTERNS = ADMIN_ROUTES.map((route) => ({
  route,
  pattern: new RegExp(`^${route.path.replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`),
}));

/**
 * What an operator may do, on a port of its own; `ADMIN_ROUTES` lists it. Each call needs a token of
 * the scope `millrace:admin` and leaves a line in the log, whatever came of it; what is asked all the time
 * leaves it at the level of debugging, where it was answered.
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
  const { identify, logger, services } = options;
  const audit: Record<string, unknown> = { address: request.socket.remoteAddress };
  try {
    const operator = await identify(request.headers.authorization);
    audit["operator"] = operator;
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    const { route, names } = find(request.method, path) ?? refuseUnknown();
    Object.assign(audit, { action: route.action, ...names });
    const body = await bodyOf(request);
    const isTooLarge = body === undefined;
    const call = { operator, names, query: new URLSearchParams(query) };
    const answer = isTooLarge ? TOO_LARGE : await route.answer(services, { ...call, body });
    const level = route.isPolled === true ? "debug" : "info";
    logger[level]({ ...audit, status: answer.status }, "audit");
    return answer;
  } catch (cause) {
    const refusal = refusalOf(cause);
    logger.warn({ ...audit, status: refusal.status, why: refusal.message }, "audit");
    if (!(cause instanceof RefusalError)) logger.error({ err: cause }, "an admin call failed");
    return refusalAnswer(refusal);
  }
}

const TOO_LARGE = failureAnswer({ code: "body-too-large", message: "the body is too large" });

function find(method: string | undefined, path: string): Found | undefined {
  for (const { route, pattern } of PATTERNS) {
    const groups = route.method === method ? pattern.exec(path) : null;
    if (groups === null) continue;
    const names = Object.entries(groups.groups ?? {}).map(([name, text]) => [name, decoded(text)]);
    return { route, names: Object.fromEntries(names) as Record<string, string> };
  }
  return undefined;
}

function refuseUnknown(): never {
  return refuse(404, ADMIN_ROUTES.map(({ method, path }) => `${method} ${path}`).join(", "));
}

/** Undefined: more than any call needs. */
async function bodyOf(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function decoded(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    // A broken escape spells no name.
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
