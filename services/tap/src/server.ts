import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Answer, refusals } from "./answer.ts";
import { LIMITS } from "./limits.ts";
import type { Registry } from "./registry.ts";
import { route } from "./routes.ts";

const CONTENT_TYPE = "application/vnd.schemaregistry.v1+json";

/** A registry that answers. */
export interface RegistryServer {
  readonly port: number;
  /** Answers what is under way, and ends. */
  readonly close: () => Promise<void>;
}

/** Rejects when the port can't be had. */
export async function startServer(
  registry: Registry,
  place: { readonly host: string; readonly port: number },
): Promise<RegistryServer> {
  const server = createServer(
    { requestTimeout: LIMITS.requestMs, headersTimeout: LIMITS.headersMs },
    (request, response) => void answerTo(request, response, registry),
  );
  server.keepAliveTimeout = LIMITS.keepAliveMs;
  server.maxConnections = LIMITS.connections;
  server.listen(place.port, place.host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      await closed;
    },
  };
}

/** Never rejects: a request that breaks off has nobody to be answered. */
async function answerTo(
  request: IncomingMessage,
  response: ServerResponse,
  registry: Registry,
): Promise<void> {
  const body = await bodyOf(request);
  if (body.kind === "broken") return;
  const { method = "", url: target = "" } = request;
  const answer =
    body.kind === "too-large"
      ? refusals.tooLarge(LIMITS.bodyBytes)
      : route(registry, { method, target, body: body.text });
  send(response, answer);
}

type Body =
  | { readonly kind: "read"; readonly text: string }
  | { readonly kind: "too-large" }
  | { readonly kind: "broken" };

async function bodyOf(request: IncomingMessage): Promise<Body> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      bytes += part.length;
      // Read on and dropped: an answer before the end would not reach a client that still sends.
      if (bytes <= LIMITS.bodyBytes) parts.push(part);
    }
    if (bytes > LIMITS.bodyBytes) return { kind: "too-large" };
    return { kind: "read", text: Buffer.concat(parts).toString() };
  } catch {
    // The client is gone, or too slow.
    return { kind: "broken" };
  }
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  response.writeHead(status, {
    "Content-Type": CONTENT_TYPE,
    "Content-Length": Buffer.byteLength(body),
    ...headers,
  });
  // Node leaves the body of a HEAD away by itself.
  response.end(body);
}
