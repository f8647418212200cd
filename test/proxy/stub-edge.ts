import { type IncomingHttpHeaders, type Server, createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A request as an edge gets it. */
export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export type Behaviour =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly body?: string;
      readonly headers?: Record<string, string>;
    }
  /** It takes the handshake, and the socket stays. */
  | { readonly kind: "take" }
  /** It has read the request, and its process ends. */
  | { readonly kind: "die" };

const SWITCHED =
  "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/** As an edge that treats everybody in one way, and tells what it was asked. */
export class StubEdge {
  readonly asked: Asked[] = [];
  /** Of each request anew. */
  behave: () => Behaviour = () => ({ kind: "answer", status: 200, body: "{}" });
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#note(request.method, request.url, request.headers);
      request.resume().once("end", () => {
        const behaviour = this.behave();
        if (behaviour.kind !== "answer") return void request.socket.resetAndDestroy();
        const { status, body = "", headers = {} } = behaviour;
        response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
      });
    });
    this.#server.on("upgrade", ({ method, url, headers }, stream) => {
      this.#note(method, url, headers);
      const behaviour = this.behave();
      if (behaviour.kind === "die") return void stream.destroy();
      if (behaviour.kind === "take") return void stream.write(SWITCHED);
      const { status, body = "", headers: more = {} } = behaviour;
      const lines = Object.entries({ ...more, "content-length": body.length, connection: "close" });
      const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      stream.end(`HTTP/1.1 ${status} Refused\r\n${head}\r\n${body}`);
    });
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(): Promise<StubEdge> {
    const stub = new StubEdge();
    await new Promise<void>((resolve) => stub.#server.listen(0, "127.0.0.1", resolve));
    return stub;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #note(method = "", url = "", headers: IncomingHttpHeaders): void {
    this.asked.push({ method, url, headers });
  }
}
