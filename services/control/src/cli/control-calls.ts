import type { DoneView, PlanView } from "../api/views.ts";
import { type JsonShape, missingField } from "../json-shape.ts";
import { CliFailure, EXIT } from "./failure.ts";

/** A call that changes something, as the API spells it. */
export interface ControlCall {
  readonly method: "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: object;
}

export interface ControlCallsOptions {
  readonly url: string;
  readonly token: () => string;
}

/** Control may ask all edges and Kafka before it answers. */
const ANSWER_MS = 30_000;

/**
 * Longer than the API takes at the worst: the audit, looks, an order that edge after edge leaves
 * unanswered, and a move's wait. Who gave up before would not know what was done.
 */
const ACT_MS = 180_000;

/** What is read of each answer, by the word behind `/v1/`. */
const VIEWS: Readonly<Record<string, JsonShape>> = {
  status: {
    edges: "list",
    unreachable: "list",
    problems: "list",
    kafka: "object",
    group: "object",
    totals: "object",
  },
  edges: { edges: "list" },
  partitions: { partitions: "list" },
  explain: { verdict: "string", findings: "list" },
  topics: { topics: "list" },
  audit: { audit: "list" },
  reassignments: { partitions: "list" },
  entry: { urls: "list" },
};
const PLAN: JsonShape = { action: "string", effects: "list", moves: "list" };
const DONE: JsonShape = { auditId: "string", done: "string" };

interface Question {
  readonly method: "GET" | ControlCall["method"];
  readonly path: string;
  readonly body?: object;
  readonly timeoutMs: number;
  readonly shape: JsonShape;
}

const ADVICE_TOKEN =
  'Give another one with --token or MILLRACE_TOKEN; its scope must have "millrace:admin".';

/** Control's API over HTTP. Whatever goes wrong is a CliFailure that says what to do. */
export class ControlCalls {
  readonly #options: ControlCallsOptions;

  constructor(options: ControlCallsOptions) {
    this.#options = options;
  }

  read<View>(path: string): Promise<View> {
    const shape = VIEWS[path.split(/[/?]/)[2] ?? ""] ?? {};
    return this.#ask({ method: "GET", path, timeoutMs: ANSWER_MS, shape }) as Promise<View>;
  }

  plan(call: ControlCall): Promise<PlanView> {
    const path = `${call.path}?dryRun=true`;
    const question = { ...call, path, timeoutMs: ANSWER_MS, shape: PLAN };
    return this.#ask(question) as Promise<PlanView>;
  }

  act(call: ControlCall): Promise<DoneView> {
    return this.#ask({ ...call, timeoutMs: ACT_MS, shape: DONE }) as Promise<DoneView>;
  }

  async #ask({ method, path, body, timeoutMs, shape }: Question): Promise<unknown> {
    const { url, token } = this.#options;
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token()}`,
          ...(body && { "content-type": "application/json" }),
        },
        ...(body && { body: JSON.stringify(body) }),
        // The token is for this address and no other.
        redirect: "error",
        signal: AbortSignal.timeout(timeoutMs),
      });
      text = await response.text();
    } catch (cause) {
      throw this.#unreachable(cause, timeoutMs);
    }
    const answer = parsed(text);
    if (response.ok && missingField(answer, shape) === undefined) return answer;
    throw this.#refused(response.status, answer);
  }

  #unreachable(cause: unknown, timeoutMs: number): CliFailure {
    const { url } = this.#options;
    return new CliFailure(`Control does not answer at ${url} (${reasonOf(cause, timeoutMs)}).`, {
      advice: "Start it (npm start in a checkout), or name another one with --control URL.",
      cause,
    });
  }

  #refused(status: number, answer: unknown): CliFailure {
    const { url } = this.#options;
    const message = status < 400 ? undefined : sentenceOf(answer);
    if (message === undefined) {
      return new CliFailure(`What answers at ${url} is not Millrace's control (HTTP ${status}).`, {
        advice: "Name the right address with --control URL.",
      });
    }
    if (status === 401 || status === 403) {
      return new CliFailure(`Control does not accept the token: ${message}`, {
        advice: ADVICE_TOKEN,
      });
    }
    const exitCode = status === 400 ? EXIT.wrongUse : EXIT.failed;
    // Control's own sentences say what to do.
    return new CliFailure(message, { exitCode });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No JSON: not control.
    return undefined;
  }
}

function sentenceOf(answer: unknown): string | undefined {
  if (typeof answer !== "object" || answer === null || !("message" in answer)) return undefined;
  const { message } = answer;
  return typeof message === "string" && message !== "" ? sentence(message) : undefined;
}

/**
 * Services write their messages without a capital and a full stop. A name at the beginning, such as
 * edge-2, is left as it is.
 */
function sentence(text: string): string {
  const isName = /^[a-z]+[-.:_\d]/.test(text);
  const capital = isName ? text : text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?)]$/.test(capital) ? capital : `${capital}.`;
}

/** Of Node's fetch, which hides it in the cause. */
function reasonOf(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return "no answer";
  if (error.name === "TimeoutError") return `no answer within ${timeoutMs / 1_000} s`;
  const { cause } = error;
  if (cause instanceof Error) return "code" in cause ? String(cause.code) : cause.message;
  return error.message;
}
