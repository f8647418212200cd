import { must } from "@millrace/runtime";
import type { UserId } from "@millrace/schemas";
import type { RulingSubject } from "@millrace/schemas/record";
import type { Identity } from "./admission/identity.ts";
import { Connection } from "./connection/connection.ts";
import type { ConnectionAges } from "./connection/connection-ages.ts";
import type { ConnectionContext } from "./connection/connection-context.ts";
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
  readonly #metrics: EdgeMetrics;
  readonly #ages: ConnectionAges;
  #serving: Serving | undefined;

  constructor(metrics: EdgeMetrics, ages: ConnectionAges) {
    this.#metrics = metrics;
    this.#ages = ages;
  }

  get isServing(): boolean {
    return this.#serving !== undefined;
  }

  /** What all of them share; undefined until the log was reached. */
  get context(): ConnectionContext | undefined {
    return this.#serving?.context;
  }

  /** Nothing was heard of any partition for so long that Kafka must be away. */
  get isLogSilent(): boolean {
    const { tails, limits } = this.#serving?.context ?? {};
    return (tails?.silenceMs ?? 0) > (limits?.logSilenceMs ?? 0);
  }

  /** Partitions whose records do not come, though the log has them. */
  get stalledPartitions(): readonly number[] {
    return this.#serving?.context.tails.stalled() ?? [];
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
    this.#ages.opened(connection);
    // A ban may have come while the session was entered. Not at once: the server is not done yet.
    const { user } = identity;
    if (context.rights.isBanned(user)) {
      queueMicrotask(() => connection.onRuled({ kind: "ban", user }));
    }
    return connection;
  }

  /** The socket of that connection has closed. */
  closed(connection: Connection, code: number): void {
    this.connections.delete(connection);
    this.#ages.closed(connection);
    countClose(this.#metrics, code);
  }

  /** One look at everybody for all of them: an index by user would cost each idle connection. */
  onRuled(subjects: readonly RulingSubject[]): void {
    const byUser = new Map<UserId, RulingSubject[]>();
    for (const subject of subjects) {
      const known = byUser.get(subject.user);
      if (known === undefined) byUser.set(subject.user, [subject]);
      else known.push(subject);
    }
    for (const connection of this.connections) {
      for (const subject of byUser.get(connection.user) ?? []) connection.onRuled(subject);
    }
  }

  /** The edge can't go on serving: everybody is to come back later, or elsewhere. */
  closeAll(): void {
    for (const connection of this.connections) connection.close(4503);
  }
}
