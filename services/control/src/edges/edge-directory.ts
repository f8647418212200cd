import { lookup } from "node:dns/promises";
import { type Clock, messageOf, within } from "@millrace/runtime";
import type { EdgeReport, OrderReport } from "@millrace/schemas";
import { LIMITS } from "../limits.ts";
import { type Refusal, refuse } from "../refusal.ts";
import { SharedLook } from "../shared-look.ts";
import { type EdgeAnswer, type EdgeClient, type EdgeRequest, askEdge } from "./edge-client.ts";
import { readEdgeReport } from "./edge-report-reader.ts";

/** An edge that has answered. */
export interface SeenEdge {
  readonly address: string;
  readonly report: EdgeReport;
}

export interface EdgesLook {
  readonly takenAtMs: number;
  readonly edges: readonly SeenEdge[];
  readonly unreachable: readonly { readonly address: string; readonly why: string }[];
  /** So many addresses more than are asked, of which nothing is known. */
  readonly unasked: number;
  /** Null: no edge that answers knows of orders. */
  readonly orders: OrderReport | null;
}

/** What has become of an order that any edge may take. */
export type OrderOutcome =
  | { readonly kind: "taken"; readonly edge: SeenEdge }
  /** `unknown`: it may hold all the same. `refused`: with the status that the edges' own answers have. */
  | {
      readonly kind: "refused" | "unknown";
      readonly status: Refusal["status"];
      /** Of each edge that was asked. */
      readonly why: string;
    };

export interface EdgeDirectoryOptions {
  /** `host:port`; a name stands for all of its addresses. */
  readonly edges: readonly string[];
  readonly clock: Clock;
  readonly ask?: EdgeClient;
  /** All addresses of a name. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

/** So many edges are asked for the orders before they count as unknown. */
const ORDER_TRIES = 3;

/** Where the edges are and what they say: asked with an operator's token, since control has none. */
export class EdgeDirectory {
  readonly #options: EdgeDirectoryOptions;
  readonly #ask: EdgeClient;
  readonly #look: SharedLook<EdgesLook, string>;

  constructor(options: EdgeDirectoryOptions) {
    this.#options = options;
    this.#ask = options.ask ?? askEdge;
    const look = (token: string): Promise<EdgesLook> => this.#lookAtAll(token);
    this.#look = new SharedLook({ clock: options.clock, ageMs: LIMITS.lookMs, look });
  }

  /** As all edges were seen within the last second, whoever has asked. Never rejects. */
  look(token: string): Promise<EdgesLook> {
    return this.#look.get(token);
  }

  /** As they are from now on. Never rejects. */
  fresh(token: string): Promise<EdgesLook> {
    return this.#look.fresh(token);
  }

  /** Something was ordered: the next look is a new one. */
  forget(): void {
    this.#look.forget();
  }

  /** Of one edge. Never rejects. */
  ask({ address }: SeenEdge, token: string, request: EdgeRequest): Promise<EdgeAnswer> {
    return this.#ask(address, token, request);
  }

  /** One edge after the other, until one takes it or time is up. Never rejects. */
  async askAny(
    edges: readonly SeenEdge[],
    token: string,
    request: EdgeRequest,
  ): Promise<OrderOutcome> {
    const { clock } = this.#options;
    const untilMs = clock.nowMs() + LIMITS.ordersMs;
    const statuses = new Set<Refusal["status"]>();
    const whys: string[] = [];
    let isUnknown = false;
    for (const edge of edges) {
      if (clock.nowMs() >= untilMs) break;
      const answer = await this.ask(edge, token, request);
      if (isGood(answer)) return { kind: "taken", edge };
      isUnknown ||= isUnknownAfter(answer);
      const status = refusalStatus(answer);
      // What is wrong with the order itself every edge would say.
      const isFinal = status === 400;
      if (isFinal) statuses.clear();
      statuses.add(status);
      whys.push(`${edge.report.id}: ${whyNot(answer)}`);
      if (isFinal) break;
    }
    const why = whys.length === 0 ? "no edge answers" : whys.join("; ");
    if (isUnknown) return { kind: "unknown", status: 502, why };
    const [status = 502, ...others] = statuses;
    return { kind: "refused", status: others.length === 0 ? status : 502, why };
  }

  async #lookAtAll(token: string): Promise<EdgesLook> {
    const { clock, edges: places } = this.#options;
    const takenAtMs = Math.trunc(clock.wallMs());
    const resolved = await Promise.all(places.map((place) => this.#addressesOf(place)));
    const known = [...new Set(resolved.flatMap(({ found }) => found))];
    const addresses = known.slice(0, LIMITS.edges);
    const answers = await Promise.all(addresses.map((address) => this.#see(address, token)));
    const edges = oncePerLife(answers.filter((answer) => "report" in answer));
    return {
      takenAtMs,
      edges: edges.toSorted((one, other) => byText(one.report.id, other.report.id)),
      unreachable: [
        ...resolved.flatMap(({ failed }) => failed),
        ...answers.filter((answer) => "why" in answer),
      ],
      unasked: known.length - addresses.length,
      orders: await this.#orders(edges, token),
    };
  }

  async #addressesOf(place: string): Promise<{
    readonly found: readonly string[];
    readonly failed: EdgesLook["unreachable"];
  }> {
    const { clock, resolve = addressesOf } = this.#options;
    const at = place.lastIndexOf(":");
    const host = place.slice(0, at).replace(/^\[(.*)\]$/, "$1");
    try {
      const found = await within(clock, LIMITS.edgeMs, resolve(host));
      return { found: found.map((one) => withPort(one, place.slice(at + 1))), failed: [] };
    } catch (cause) {
      const why = `the name can't be resolved: ${messageOf(cause)}`;
      return { found: [], failed: [{ address: place, why }] };
    }
  }

  async #see(
    address: string,
    token: string,
  ): Promise<SeenEdge | { readonly address: string; readonly why: string }> {
    const answer = await this.#ask(address, token, { method: "GET", path: "/v1/edge" });
    const isEarly = answer.kind === "answered" && answer.status === 404;
    if (!isGood(answer)) {
      const why = isEarly ? "an edge of an earlier build, which tells nothing" : whyNot(answer);
      return { address, why };
    }
    const read = readEdgeReport(answer.json);
    if ("report" in read) return { address, report: read.report };
    return { address, why: `no edge, or one of an earlier build: its report lacks ${read.lacks}` };
  }

  async #orders(edges: readonly SeenEdge[], token: string): Promise<OrderReport | null> {
    for (const edge of edges.slice(0, ORDER_TRIES)) {
      const answer = await this.ask(edge, token, { method: "GET", path: "/v1/orders" });
      if (isGood(answer) && isOrders(answer.json)) return answer.json;
    }
    return null;
  }
}

/** It takes no newcomers, and gives away what it has. */
export function isAside(state: EdgeReport["state"]): boolean {
  return state === "draining" || state === "drained";
}

/** The edge of that id. Throws a RefusalError that lists those there are. */
export function edgeOf({ edges, unreachable }: EdgesLook, id: string): SeenEdge {
  const edge = edges.find(({ report }) => report.id === id);
  if (edge !== undefined) return edge;
  const known = edges.map(({ report }) => report.id).join(", ") || "none";
  const silent = unreachable.length === 0 ? "" : `; ${unreachable.length} more do not answer`;
  return refuse(404, `there is no edge ${id}; those that answer: ${known}${silent}`);
}

export function isGood(
  answer: EdgeAnswer,
): answer is Extract<EdgeAnswer, { readonly kind: "answered" }> {
  return answer.kind === "answered" && answer.status >= 200 && answer.status < 300;
}

/** What it was asked to do may be done all the same. */
export function isUnknownAfter(answer: EdgeAnswer): boolean {
  if (answer.kind === "failed") return answer.isUnknown === true;
  const { unknown } = (answer.json ?? {}) as { readonly unknown?: unknown };
  return answer.status >= 500 && unknown === true;
}

/** Whoever calls can mend these; 404 is the answer of an edge that does not know the call yet. */
const OWN_REFUSALS = [400, 401, 403, 409, 413, 429] as const;

/** The edge's own refusal is passed on as what it is. */
export function refusalStatus(answer: EdgeAnswer): Refusal["status"] {
  if (answer.kind === "failed") return 502;
  return OWN_REFUSALS.find((status) => status === answer.status) ?? 502;
}

/** In words; of an edge's refusal its own message. */
export function whyNot(answer: EdgeAnswer): string {
  if (answer.kind === "failed") return answer.why;
  const { message } = (answer.json ?? {}) as { readonly message?: unknown };
  const words = typeof message === "string" ? `: ${message}` : "";
  return `it answers ${answer.status}${words}`;
}

async function addressesOf(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function withPort(address: string, port: string): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** One edge may be found under two addresses, as of IPv4 and IPv6. */
function oncePerLife(edges: readonly SeenEdge[]): SeenEdge[] {
  const lives = new Map<string, SeenEdge>();
  for (const edge of edges) {
    const { id, pid, startedAtMs } = edge.report;
    const life = JSON.stringify([id, pid, startedAtMs]);
    if (!lives.has(life)) lives.set(life, edge);
  }
  return [...lives.values()];
}

function isOrders(json: unknown): json is OrderReport {
  if (typeof json !== "object" || json === null) return false;
  const { pins, weights, pauses } = json as Readonly<Record<string, unknown>>;
  return [pins, weights, pauses].every((list) => Array.isArray(list));
}

function byText(one: string, other: string): number {
  return one < other ? -1 : 1;
}
