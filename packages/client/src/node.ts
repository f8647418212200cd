import { WebSocket } from "ws";
import { type Client, type ConnectOptions, connect as connectAnywhere } from "./client.ts";
import type { SocketConstructor } from "./environment.ts";

export * from "./index.ts";

/** As `connect` of the main entry, on the sockets of the `ws` package: Node 20 has none. */
export function connect(options: ConnectOptions): Client {
  const webSocket = WebSocket as unknown as SocketConstructor;
  return connectAnywhere({ ...options, environment: { webSocket, ...options.environment } });
}
