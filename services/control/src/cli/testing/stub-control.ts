import { type IncomingMessage, type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What was asked, as it came. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly token: string;
  readonly body: unknown;
}

export interface Answer {
  readonly status?: number;
  readonly body: unknown;
}

/** A control that answers what a test says, by method and path without the query. */
export class StubControl {
  readonly asked: Asked[] = [];
  readonly url: string;
  readonly #server: Server;
  readonly #answers = new Map<string, (asked: Asked) => Answer>();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async open(): Promise<StubControl> {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const stub = new StubControl(server);
    server.on("request", (request, response) => {
      void stub.#answerTo(request).then(({ status = 200, body }) => {
        const text = typeof body === "string" ? body : JSON.stringify(body);
        response.writeHead(status, { "content-type": "application/json" }).end(text);
      });
    });
    return stub;
  }

  /** `GET /v1/status`; for a plan `PUT /v1/pins/3?dryRun=true`. */
  when(what: string, answer: Answer | ((asked: Asked) => Answer)): this {
    this.#answers.set(what, typeof answer === "function" ? answer : () => answer);
    return this;
  }

  /** What changed something: neither a look nor a plan. */
  get orders(): string[] {
    return this.asked
      .filter(({ method, path }) => method !== "GET" && !path.includes("dryRun"))
      .map(({ method, path, body }) =>
        [method, path, ...(body === undefined ? [] : [JSON.stringify(body)])].join(" "),
      );
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answerTo(request: IncomingMessage): Promise<Answer> {
    const asked = await askedBy(request);
    this.asked.push(asked);
    const exact = this.#answers.get(`${asked.method} ${asked.path}`);
    const answer = exact ?? this.#answers.get(`${asked.method} ${asked.path.split("?")[0]}`);
    if (answer !== undefined) return answer(asked);
    return { status: 404, body: { code: "not-found", message: "there is no such thing here" } };
  }
}

async function askedBy(request: IncomingMessage): Promise<Asked> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  const text = Buffer.concat(parts).toString();
  return {
    method: request.method ?? "",
    path: request.url ?? "",
    token: (request.headers.authorization ?? "").replace(/^Bearer /, ""),
    body: text === "" ? undefined : JSON.parse(text),
  };
}
