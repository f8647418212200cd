import { type ConversationId, LAST_MAX, parsePosition } from "@millrace/schemas";
import type { Identity } from "../admission/identity.ts";
import type { History, HistoryFrom, HistoryPage, HistoryRequest } from "../history/history.ts";
import type { EdgeLimits } from "../limits.ts";
import type { EdgeMetrics } from "../metrics.ts";
import { NO_READ, type Rights } from "../rights/rights.ts";
import { Allowance } from "./allowance.ts";
import { type HttpFailure, failureAnswer, refusalAnswer } from "./http-answer.ts";
import type { HttpAnswer } from "./http-exchange.ts";

export interface HistoryPagesOptions {
  readonly history: History;
  readonly rights: Rights;
  readonly limits: EdgeLimits;
  readonly metrics: EdgeMetrics;
}

export interface PageRequest {
  readonly identity: Identity;
  readonly conversation: ConversationId;
  readonly query: string;
  readonly signal: AbortSignal;
}

type Wish =
  | { readonly kind: "wish"; readonly from: HistoryFrom; readonly count: number }
  | { readonly kind: "refused"; readonly answer: HttpAnswer };

/** Messages of a page, where nothing else is asked for. */
export const PAGE_COUNT_DEFAULT = 100;
const COUNT = /^[1-9]\d{0,3}$/;
const RETRY_MS = 1_000;

const CHANGED: HttpFailure = {
  code: "unavailable",
  message: "the rights have changed while it was read",
  retryMs: RETRY_MS,
};

/** A conversation's history, page by page; only so many pages are read at once. */
export class HistoryPages {
  readonly #options: HistoryPagesOptions;
  readonly #allowance: Allowance;

  constructor(options: HistoryPagesOptions) {
    const { historyScansMax, historyScansPerUser } = options.limits;
    this.#options = options;
    this.#allowance = new Allowance({ all: historyScansMax, user: historyScansPerUser });
  }

  async answer({ identity, conversation, query, signal }: PageRequest): Promise<HttpAnswer> {
    const wish = wishOf(new URLSearchParams(query));
    if (wish.kind === "refused") return wish.answer;
    if (!this.#options.rights.mayRead(identity, conversation)) return this.#fail(NO_READ);
    const allowed = this.#allowance.take(identity.user);
    if (allowed.kind !== "taken") {
      const code = allowed.kind === "full" ? "unavailable" : "rate-limited";
      return this.#fail({ code, message: "too many pages are read at once", retryMs: RETRY_MS });
    }
    const { from, count } = wish;
    try {
      return await this.#read({ conversation, from, count, signal }, identity);
    } finally {
      allowed.giveBack();
    }
  }

  /** What the rights no longer cover when it has been read is not handed out. */
  async #read(request: HistoryRequest, identity: Identity): Promise<HttpAnswer> {
    const { history, rights } = this.#options;
    const { conversation } = request;
    const beginning = rights.beginning(identity.user, conversation);
    const outcome = await history.page({ ...request, beginning });
    if (!rights.mayRead(identity, conversation)) return this.#fail(NO_READ);
    if (rights.beginning(identity.user, conversation)?.text !== beginning?.text) {
      return this.#fail(CHANGED);
    }
    if (outcome.kind === "page") return { status: 200, body: textOf(outcome) };
    const { code, message } = outcome;
    return this.#fail({ code, message, ...(code === "unavailable" && { retryMs: RETRY_MS }) });
  }

  #fail(failure: HttpFailure): HttpAnswer {
    this.#options.metrics.errors.inc({ code: failure.code });
    return failureAnswer(failure);
  }
}

function wishOf(query: URLSearchParams): Wish {
  for (const name of ["after", "before", "limit"]) {
    if (query.getAll(name).length > 1) return badQuery(`${name} stands twice in the query`);
  }
  const limit = query.get("limit");
  const count = limit === null ? PAGE_COUNT_DEFAULT : Number(COUNT.test(limit) ? limit : 0);
  if (count < 1 || count > LAST_MAX) return badQuery(`limit must be 1 to ${LAST_MAX}`);
  const [after, before] = [query.get("after"), query.get("before")];
  if (after !== null && before !== null) return badQuery("both after and before");
  const text = after ?? before;
  if (text === null) return { kind: "wish", from: { kind: "newest" }, count };
  const position = parsePosition(text);
  const kind = after === null ? "before" : "after";
  if (position !== undefined) return { kind: "wish", from: { kind, position }, count };
  const message = `${kind} is no position`;
  return { kind: "refused", answer: failureAnswer({ code: "bad-position", message }) };
}

function badQuery(message: string): Wish {
  return { kind: "refused", answer: refusalAnswer({ status: 400, message }) };
}

/** The messages are JSON already, as they are for subscribers. */
function textOf({ messages, pos, head, gap }: HistoryPage): string {
  const rest = JSON.stringify({ pos, head, ...(gap && { gap }) });
  return `{"messages":[${messages.join(",")}],${rest.slice(1)}`;
}
