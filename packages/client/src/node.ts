import { WebSocket } from "ws";
import { type Client, type ConnectOptions, connect as connectAnywhere } from "./client.ts";
import type { SocketConstructor } from "./environment.ts";
import { type Authorities, trusting } from "./node-trust.ts";

export * from "./index.ts";

export interface NodeConnectOptions extends ConnectOptions {
  /** PEM of who is trusted to have signed the server's certificate. Default: the system's. */
  readonly ca?: Authorities;
}

/** As `connect` of the main entry, on the sockets of the `ws` package: Node 20 has none. */
export function connect({ ca, ...options }: NodeConnectOptions): Client {
  const webSocket = WebSocket as unknown as SocketConstructor;
  const network = ca === undefined ? { webSocket } : trusting(ca);
  return connectAnywhere({ ...options, environment: { ...network, ...options.environment } });
}
