import type { AddressInfo } from "node:net";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Followers } from "../events/followers.ts";
import type { ControlServices } from "../control-services.ts";
import { LIMITS } from "../limits.ts";
import { carryOut } from "../calls/carry-out.ts";
import { OPERATOR_CALLS } from "../calls/operator-calls.ts";
import type { PageFile } from "../page/page-bundle.ts";
import { type Refusal, RefusalError, refusalOf } from "../refusal.ts";
import { type Operator, type OperatorsOptions, operatorOf } from "./operators.ts";
import { RequestGate } from "./request-gate.ts";
import { type ApiCall, READ_ROUTES } from "./routes.ts";

export interface ApiServer {
  readonly port: number;
  /** Answers what is under way, and ends. */
  close(): Promise<void>;
}

export interface ApiServerOptions {
  readonly host: string;
  readonly port: number;
  readonly services: ControlServices;
  readonly operators: OperatorsOptions;
  readonly followers: Followers;
  /** The live page's files, by their paths. */
  readonly page: ReadonlyMap<string, PageFile>;
  /** The page of metrics. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

const EVENTS = "/v1/events";

/**
 * Nothing but what this server sends may run, load or be sent to, no other site may frame it, and an
 * address that holds a token goes nowhere.
 */
const HEADERS = {
  "content-security-policy": [
    "default-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};

/** Rejects when the port can't be had. */
export async function startServer(options: ApiServerOptions): Promise<ApiServer> {
  const gate = new RequestGate(options.services.clock);
  const server = fastify({
    bodyLimit: LIMITS.bodyBytes,
    requestTimeout: LIMITS.requestMs,
    forceCloseConnections: "idle",
    logger: false,
    routerOptions: { maxParamLength: 400 },
  });
  server.server.maxConnections = LIMITS.connections;
  server.addHook("onSend", async (_, reply, payload) => {
    reply.headers(HEADERS);
    return payload;
  });
  answerFailures(server, options);
  servePage(server, options);
  serveProbes(server, options);
  await server.register(async (api) => serveApi(api, options, gate), { prefix: "" });
  await server.listen({ host: options.host, port: options.port });
  return {
    port: (server.server.address() as AddressInfo).port,
    close: async () => {
      const closed = server.close();
      await gate.whenIdle();
      // Clients keep lines open on which nothing comes any more; some have not even begun to ask.
      server.server.closeAllConnections();
      await closed;
    },
  };
}

/** Asked for anew each time: a page of an earlier build would not fit the API of this one. */
function servePage(server: FastifyInstance, { page }: ApiServerOptions): void {
  for (const [path, { type, body }] of page) {
    server.get(path, (_, reply) =>
      reply.header("content-type", type).header("cache-control", "no-cache").send(body),
    );
  }
}

/**
 * Ready is whoever serves: when Kafka or the edges are away is when operators need to look, so no
 * dependency takes control out of its balancer.
 */
function serveProbes(server: FastifyInstance, { metrics }: ApiServerOptions): void {
  for (const path of ["/healthz", "/readyz"]) {
    server.get(path, async (_, reply) =>
      reply.header("cache-control", "no-store").send({ ok: true }),
    );
  }
  server.get("/metrics", async (_, reply) => {
    const { contentType, text } = await metrics();
    return reply.header("content-type", contentType).send(text);
  });
}

async function serveApi(
  api: FastifyInstance,
  options: ApiServerOptions,
  gate: RequestGate,
): Promise<void> {
  const { services, operators, followers } = options;
  const callers = new WeakMap<FastifyRequest, Operator>();
  api.addHook("onRequest", async (request, reply) => {
    reply.header("cache-control", "no-store");
    const leave = gate.enter();
    reply.raw.once("close", leave);
    const operator = await operatorOf(request.headers.authorization, operators);
    gate.charge(operator.name);
    callers.set(request, operator);
    // Followers have a bound of their own.
    if (request.routeOptions.url === EVENTS) leave();
  });
  const callOf = (request: FastifyRequest): ApiCall => {
    const operator = callers.get(request);
    if (operator === undefined) throw new Error("the request was let in without an operator");
    return {
      operator,
      address: request.ip,
      names: request.params as Record<string, string>,
      query: request.query as Record<string, unknown>,
      body: request.body,
    };
  };
  for (const { path, answer } of READ_ROUTES) {
    api.get(path, (request) => answer(services, callOf(request)));
  }
  for (const call of OPERATOR_CALLS) {
    const { method, path: url } = call;
    api.route({ method, url, handler: (request) => carryOut(services, call, callOf(request)) });
  }
  api.get(EVENTS, (request, reply) => {
    followers.take(callOf(request).operator, reply);
  });
}

/** Each failure as the contract has it; what nobody expected is logged and told as a defect. */
function answerFailures(server: FastifyInstance, { services }: ApiServerOptions): void {
  server.setNotFoundHandler(async (request, reply) =>
    send(reply, {
      status: 404,
      code: "not-found",
      message: `there is no ${request.method} ${request.url.split("?")[0]}; services/control/README.md lists what there is`,
    }),
  );
  server.setErrorHandler(async (cause, request, reply) => {
    const refusal = refusalOf(cause);
    if (refusal.status >= 500 && !(cause instanceof RefusalError)) {
      services.logger.error({ err: cause, method: request.method }, "a call has failed");
    }
    return send(reply, refusal);
  });
}

function send(reply: FastifyReply, { status, code, message }: Refusal): FastifyReply {
  if (status === 401) reply.header("www-authenticate", 'Bearer realm="millrace control"');
  if (status === 429 || status === 503) reply.header("retry-after", "1");
  return reply.header("cache-control", "no-store").code(status).send({ code, message });
}
