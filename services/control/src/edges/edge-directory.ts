import { lookup } from "node:dns/promises";
import { type Clock, messageOf, within } from "@millrace/runtime";
import type { EdgeReport, OrderReport } from "@millrace/schemas";
import { LIMITS } from "../limits.ts";
import { refuse } from "../refusal.ts";
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
  /** Null: no edge that answers knows of orders. */
  readonly orders: OrderReport | null;
}

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

  /** The first good answer, of whichever edge can give one. Throws a RefusalError. */
  async askAny(
    edges: readonly SeenEdge[],
    token: string,
    request: EdgeRequest,
  ): Promise<{ readonly edge: SeenEdge; readonly json: unknown }> {
    const whys: string[] = [];
    for (const edge of edges) {
      const answer = await this.ask(edge, token, request);
      if (isGood(answer)) return { edge, json: answer.json };
      whys.push(`${edge.report.id}: ${whyNot(answer)}`);
    }
    const all = whys.length === 0 ? "no edge answers" : whys.join("; ");
    return refuse(502, `no edge has taken it (${all}). Look at \`millrace status\`, and try again`);
  }

  async #lookAtAll(token: string): Promise<EdgesLook> {
    const { clock, edges: places } = this.#options;
    const takenAtMs = Math.trunc(clock.wallMs());
    const resolved = await Promise.all(places.map((place) => this.#addressesOf(place)));
    const addresses = [...new Set(resolved.flatMap(({ found }) => found))].slice(0, LIMITS.edges);
    const answers = await Promise.all(addresses.map((address) => this.#see(address, token)));
    const edges = oncePerLife(answers.filter((answer) => "report" in answer));
    return {
      takenAtMs,
      edges: edges.toSorted((one, other) => byText(one.report.id, other.report.id)),
      unreachable: [
        ...resolved.flatMap(({ failed }) => failed),
        ...answers.filter((answer) => "why" in answer),
      ],
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
