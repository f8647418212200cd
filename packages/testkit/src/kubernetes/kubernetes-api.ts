import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { createInterface } from "node:readline";
import type { KubernetesObject } from "./objects.ts";

/** An answer of the API that is not a success. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;

  constructor(status: number, what: string, message: string) {
    super(`${what}: ${status} ${message}`);
    this.status = status;
  }
}

export interface ApiPlace {
  readonly port: number;
  readonly token: string;
  /** PEM of the authority that signed the server's certificate. */
  readonly authority: string;
}

interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
}

export interface WatchEvent<Item extends KubernetesObject> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: Item;
}

const ANSWER_MS = 60_000;
const JSON_TYPE = "application/json";
const MERGE_TYPE = "application/merge-patch+json";

/** The API of Kubernetes over plain HTTPS and JSON, as an administrator. */
export class KubernetesApi {
  readonly place: ApiPlace;
  readonly #agent: Agent;

  constructor(place: ApiPlace) {
    this.place = place;
    this.#agent = new Agent({ keepAlive: true, ca: place.authority });
  }

  get<Answer = KubernetesObject>(path: string): Promise<Answer> {
    return this.#call<Answer>({ method: "GET", path });
  }

  async list<Item extends KubernetesObject>(path: string): Promise<ItemList<Item>> {
    return this.get<ItemList<Item>>(path);
  }

  create<Answer = KubernetesObject>(path: string, body: unknown): Promise<Answer> {
    return this.#call<Answer>({ method: "POST", path, body });
  }

  /** RFC 7396: an array takes the place of the whole former one. */
  patch<Answer = KubernetesObject>(path: string, body: unknown): Promise<Answer> {
    return this.#call<Answer>({ method: "PATCH", path, body, contentType: MERGE_TYPE });
  }

  delete(path: string, body: unknown = {}): Promise<unknown> {
    return this.#call({ method: "DELETE", path, body });
  }

  /** Every change from that version on, until the server ends it or the signal does. */
  async *watch<Item extends KubernetesObject>(
    path: string,
    options: { readonly resourceVersion: string; readonly signal: AbortSignal },
  ): AsyncGenerator<WatchEvent<Item>> {
    const { resourceVersion, signal } = options;
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${resourceVersion}`;
    const call: Call = { method: "GET", path: `${path}${path.includes("?") ? "&" : "?"}${query}` };
    const response = await this.#open(call, signal);
    if (response.statusCode !== 200) throw await errorOf(call, response);
    for await (const line of createInterface({ input: response })) {
      yield JSON.parse(line) as WatchEvent<Item>;
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #call<Answer>(call: Call): Promise<Answer> {
    const response = await this.#open(call, AbortSignal.timeout(ANSWER_MS));
    const { statusCode = 0 } = response;
    if (statusCode < 200 || statusCode > 299) throw await errorOf(call, response);
    return JSON.parse(await textOf(response)) as Answer;
  }

  #open(call: Call, signal: AbortSignal): Promise<IncomingMessage> {
    const { method, path, body, contentType = JSON_TYPE } = call;
    const { port, token } = this.place;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${token}`,
      accept: JSON_TYPE,
      // Said here, since Node says no length of what a DELETE carries.
      ...(text !== undefined && {
        "content-type": contentType,
        "content-length": Buffer.byteLength(text),
      }),
    };
    return new Promise((resolve, reject) => {
      const sent = request({
        host: "127.0.0.1",
        port,
        path,
        method,
        agent: this.#agent,
        signal,
        headers,
      });
      sent.once("response", resolve);
      sent.on("error", reject);
      sent.end(text);
    });
  }
}

export interface ItemList<Item> {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly Item[];
}

async function errorOf({ method, path }: Call, response: IncomingMessage): Promise<ApiError> {
  const text = await textOf(response);
  const { statusCode = 0 } = response;
  return new ApiError(statusCode, `${method} ${path}`, messageOf(text));
}

/** The API explains itself in a Status object; before it is up it answers with plain text. */
function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text;
  } catch {
    // Plain text it is.
    return text;
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}
