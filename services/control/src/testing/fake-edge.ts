import { type IncomingMessage, type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { EdgeReport } from "@millrace/schemas";

/** What an edge was asked for. */
export interface AskedOfEdge {
  readonly method: string;
  readonly path: string;
  readonly token: string;
  readonly body: unknown;
}

/** A status and what is said with it; undefined is 404, as of an edge that does not know the call. */
export type FakeAnswer = readonly [status: number, json?: unknown] | undefined;

/** Pins, weights and pauses that all fake edges of a test share, as real ones do through the log. */
export interface FakeOrders {
  readonly pins: Map<number, string>;
  readonly weights: Map<string, number>;
  readonly pauses: Set<number>;
}

export interface FakeEdgeOptions {
  readonly report: () => EdgeReport | Readonly<Record<string, unknown>>;
  readonly orders?: FakeOrders;
  readonly onOrder?: () => void;
  /** Beside what a fake edge knows by itself. */
  readonly answer?: (asked: AskedOfEdge) => FakeAnswer;
  readonly delayMs?: number;
}

const ORIGIN = { operator: "olga", ruledAtMs: 1 };

/** Speaks the operators' port of an edge, over real HTTP. */
export class FakeEdge {
  readonly asked: AskedOfEdge[] = [];
  readonly #server: Server;
  readonly #options: FakeEdgeOptions;

  private constructor(options: FakeEdgeOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(([status, json]) => {
        setTimeout(() => {
          response.writeHead(status, { "content-type": "application/json" });
          response.end(json === undefined ? undefined : JSON.stringify(json));
        }, options.delayMs ?? 0);
      });
    });
  }

  static async start(options: FakeEdgeOptions): Promise<FakeEdge> {
    const edge = new FakeEdge(options);
    await new Promise<void>((resolve) => edge.#server.listen(0, "127.0.0.1", resolve));
    return edge;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage): Promise<readonly [number, unknown?]> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString();
    const { method = "", url = "", headers } = request;
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    const asked = { method, path: url, token: String(headers.authorization).slice(7), body };
    this.asked.push(asked);
    const { report, answer } = this.#options;
    const special = answer?.(asked);
    if (special !== undefined) return special;
    if (method === "GET" && url === "/v1/edge") return [200, report()];
    return this.#orderAnswer(asked) ?? [404, { code: "not-found", message: "no such call" }];
  }

  #orderAnswer({ method, path, body }: AskedOfEdge): FakeAnswer {
    const { orders, onOrder } = this.#options;
    if (orders === undefined) return undefined;
    const [, , kind = "", name = ""] = path.split("/");
    if (method === "GET" && kind === "orders") return [200, ordersView(orders)];
    if (kind === "rejoin" || kind === "drain") return [204];
    const isPut = method === "PUT";
    const said = body as { readonly edge: string; readonly weight: number } | undefined;
    if (kind === "pins") set(orders.pins, Number(name), isPut ? said?.edge : undefined);
    else if (kind === "weights") set(orders.weights, name, isPut ? said?.weight : undefined);
    else if (kind === "pauses" && isPut) orders.pauses.add(Number(name));
    else if (kind === "pauses") orders.pauses.delete(Number(name));
    else return undefined;
    onOrder?.();
    return [204];
  }
}

function set<Key, Value>(map: Map<Key, Value>, key: Key, value: Value | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

function ordersView({ pins, weights, pauses }: FakeOrders) {
  return {
    pins: [...pins].map(([partition, edge]) => ({ partition, edge, ...ORIGIN })),
    weights: [...weights].map(([edge, weight]) => ({ edge, weight, ...ORIGIN })),
    pauses: [...pauses].map((partition) => ({ partition, ...ORIGIN })),
  };
}
