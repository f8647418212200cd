import { must } from "@millrace/runtime";
import type { Identity } from "./admission/identity.ts";
import { Connection, type ConnectionContext } from "./connection/connection.ts";
import type { Socket, SocketListener } from "./connection/socket.ts";
import type { HttpServices } from "./http/routes.ts";
import type { EdgeMetrics } from "./metrics.ts";
import type { SessionEntry } from "./session/sessions.ts";
import { countClose } from "./watch/close-count.ts";

/** What serves clients; there from the moment on in which the log is reached. */
export interface Serving {
  readonly context: ConnectionContext;
  readonly services: HttpServices;
}

/** Everybody who is connected to this edge. */
export class EdgeClients {
  readonly connections = new Set<Connection>();
  readonly sockets = new Set<Socket>();
  readonly #metrics: EdgeMetrics;
  #serving: Serving | undefined;

  constructor(metrics: EdgeMetrics) {
    this.#metrics = metrics;
  }

  get isServing(): boolean {
    return this.#serving !== undefined;
  }

  get services(): HttpServices {
    return must(this.#serving, "nothing is answered before the edge is ready").services;
  }

  serve(serving: Serving): void {
    this.#serving = serving;
  }

  open(socket: Socket, identity: Identity, entry: SessionEntry): SocketListener {
    const { context } = must(this.#serving, "nobody is admitted before the edge is ready");
    const connection = new Connection(context, socket, { identity, entry });
    this.connections.add(connection);
    this.sockets.add(socket);
    return {
      onText: (text) => connection.onText(text),
      onSign: () => connection.onSign(),
      onPong: () => connection.onPong(),
      onDrain: () => connection.onDrain(),
      onClose: (code) => {
        connection.onClose();
        this.connections.delete(connection);
        this.sockets.delete(socket);
        countClose(this.#metrics, code);
      },
    };
  }
}
