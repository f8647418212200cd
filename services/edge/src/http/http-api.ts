import type { Logger } from "@millrace/runtime";
import type { Admission } from "../admission/admission.ts";
import { type Refusal, RefusalError } from "../admission/refusal.ts";
import type { EdgeLimits } from "../limits.ts";
import { crossOriginHeaders, preflightAnswer } from "./cross-origin.ts";
import {
  failureAnswer,
  foreignOrigin,
  httpRefusal,
  jsonAnswer,
  refusalAnswer,
} from "./http-answer.ts";
import type { BodyOutcome, HttpAnswer, HttpExchange } from "./http-exchange.ts";
import { type HttpServices, ROUTES, type Route } from "./routes.ts";

export interface HttpApiOptions {
  readonly logger: Logger;
  readonly limits: EdgeLimits;
  readonly admission: Admission;
  /** What the probe of readiness says: whether new connections are taken. */
  readonly isOpen: () => boolean;
  /** False answers all but the probes with 503; true also for an edge that takes no new connections and stays. */
  readonly isServing: () => boolean;
  /** False: who is connected is served, but nobody should come here. */
  readonly hasRoom: () => boolean;
  /** Partitions whose records do not come: no reason to send clients elsewhere, but to look. */
  readonly stalled: () => readonly number[];
  /** Asked for only while it is open. */
  readonly services: () => HttpServices;
}

export const NOT_READY: Refusal = {
  status: 503,
  message: "not ready or draining: try another address",
  retryAfterS: 2,
};

const NO_BODY: Promise<BodyOutcome> = Promise.resolve({ kind: "whole", bytes: new Uint8Array() });

/** The routes of each path, and what finds the path and the name in it. */
const PATHS = [...new Set(ROUTES.map(({ path }) => path))].map((path) => ({
  pattern: new RegExp(`^${path.replace(/\{\w+\}/, "([^/]+)").replaceAll(".", String.raw`\.`)}$`),
  routes: ROUTES.filter((route) => route.path === path),
}));

export const PROBES: readonly string[] = ["/healthz", "/readyz"];

/** HTTP beside the WebSocket: docs/protocol.md §9, and the probes of docs/operations.md. */
export class HttpApi {
  readonly #options: HttpApiOptions;
  #running = 0;

  constructor(options: HttpApiOptions) {
    this.#options = options;
  }

  handle(exchange: HttpExchange): void {
    const { path, method } = exchange;
    if (PROBES.includes(path)) return exchange.respond(this.#probe(exchange));
    const found = PATHS.find(({ pattern }) => pattern.test(path));
    if (found === undefined) return this.#respond(exchange, notFound());
    const { admission } = this.#options;
    const methods = found.routes.map((route) => route.method);
    if (method === "OPTIONS") {
      const isAllowed = admission.allows(exchange.headers.get("origin"));
      return this.#respond(exchange, isAllowed ? preflightAnswer(methods) : foreignOrigin());
    }
    const route = found.routes.find((candidate) => candidate.method === method);
    if (route === undefined) return this.#respond(exchange, wrongMethod([...methods, "OPTIONS"]));
    void this.#run(exchange, route, found.pattern.exec(path)?.[1] ?? "");
  }

  /** Never rejects. */
  async #run(exchange: HttpExchange, route: Route, parameter: string): Promise<void> {
    const { limits, logger, isOpen, isServing, services } = this.#options;
    const isTaken = route.isOfNewcomers === true ? isOpen() : isServing();
    if (!isTaken) return this.#respond(exchange, refusalAnswer(NOT_READY));
    if (this.#running >= limits.httpRequestsMax) return this.#respond(exchange, busy());
    // Before anything is awaited, or it would be lost.
    const body = route.hasBody ? exchange.readBody(limits.announced.frameBytes) : NO_BODY;
    this.#running++;
    try {
      const answer = await route.answer(services(), { exchange, parameter, body });
      this.#respond(exchange, answer);
    } catch (cause) {
      if (cause instanceof RefusalError) this.#respond(exchange, refusalAnswer(cause.refusal));
      else {
        logger.error({ err: cause, route: route.path }, "a request could not be answered");
        const message = "a defect on the server's side";
        this.#respond(exchange, failureAnswer({ code: "internal", message }));
      }
    } finally {
      this.#running--;
    }
  }

  #respond(exchange: HttpExchange, answer: HttpAnswer): void {
    const crossOrigin = crossOriginHeaders(exchange, this.#options.admission);
    const headers = { "Cache-Control": "no-store", ...crossOrigin, ...answer.headers };
    exchange.respond({ ...answer, headers });
  }

  #probe({ path, method }: HttpExchange): HttpAnswer {
    if (method !== "GET" && method !== "HEAD") return wrongMethod(["GET", "HEAD"]);
    if (path === "/healthz") return jsonAnswer(200, { status: "alive" });
    const { isOpen, hasRoom, stalled } = this.#options;
    if (!isOpen() || !hasRoom()) return refusalAnswer(NOT_READY);
    const partitions = stalled();
    return jsonAnswer(200, {
      status: "ready",
      ...(partitions.length > 0 && { stalledPartitions: partitions }),
    });
  }
}

function notFound(): HttpAnswer {
  return refusalAnswer({ status: 404, message: "no such path; clients connect to /v1/connect" });
}

function wrongMethod(methods: readonly string[]): HttpAnswer {
  const allowed = methods.join(", ");
  return { ...httpRefusal(405, `the methods are ${allowed}`), headers: { Allow: allowed } };
}

function busy(): HttpAnswer {
  const message = "too many requests are being answered";
  return refusalAnswer({ status: 503, message, retryAfterS: 1 });
}
