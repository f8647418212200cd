import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A registry of somebody else, that says of each id what it was told, and lacks all others. */
export class StubRegistry {
  readonly schemas = new Map<number, string>();
  readonly #server = createServer((request, response) => {
    const id = /^\/schemas\/ids\/(\d+)/.exec(request.url ?? "")?.[1];
    const schema = this.schemas.get(Number(id));
    response.writeHead(schema === undefined ? 404 : 200, {
      "Content-Type": "application/vnd.schemaregistry.v1+json",
    });
    const missing = { error_code: 40_403, message: "Schema not found" };
    response.end(JSON.stringify(schema === undefined ? missing : { schema }));
  });

  static async start(): Promise<StubRegistry> {
    const registry = new StubRegistry();
    registry.#server.listen(0, "127.0.0.1");
    await once(registry.#server, "listening");
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}
