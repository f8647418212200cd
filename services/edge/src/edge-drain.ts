import type { Ownership } from "@millrace/log";
import { type Clock, delay, within } from "@millrace/runtime";
import type { Connection } from "./connection/connection.ts";
import { drainConnections } from "./connection/drain.ts";
import type { EdgeConfig } from "./config.ts";
import type { EdgeClients } from "./edge-clients.ts";
import type { EdgeOwnership } from "./edge-ownership.ts";
import { handoverMsOf } from "./edge-relay.ts";

export type DrainState = "serving" | "draining" | "drained";

export interface EdgeDrainOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly drainMs: number;
  readonly ownership: Ownership;
  readonly connections: ReadonlySet<Connection>;
  readonly server: {
    refuseNewcomers(wish: { readonly alsoCalls: boolean }): void;
    acceptNewcomers(): void;
  };
  /** So long after it has left the group the edge is still needed by others. */
  readonly handoverMs: number;
}

/** The share of the drain's time that the group may take to let this edge go, before clients are told. */
const LEAVE_SHARE = 0.1;

/** The share that unsettled publishes may take after the last client left, and unsent traces after them. */
export const SETTLE_SHARE = 0.1;

/** One drain, until it is taken back or the process ends. */
interface Round {
  readonly over: AbortController;
  /** When each client that was told to go is closed: who is told once is not told again. */
  readonly closeAtMs: Map<Connection, number>;
}

/**
 * How an edge gets rid of its partitions and of its clients: to end, or only to stand aside.
 *
 * Invariant: at most one round is under way, and what is awaited in it goes on only while the round is
 * not over. So a drain that is taken back tells and closes nobody from that moment on, wherever it was;
 * and the end takes over what a round has begun: nobody is told twice, and its deadline is the end's.
 */
export class EdgeDrain {
  readonly #options: EdgeDrainOptions;
  #round: Round | undefined;
  #state: DrainState = "serving";
  #isEnding = false;
  #isOpen = false;
  #handedOver: Promise<void> = Promise.resolve();

  constructor(options: EdgeDrainOptions) {
    this.#options = options;
  }

  get state(): DrainState {
    return this.#state;
  }

  /** The edge serves from now on, unless it was told to stand aside while it started. */
  open(): void {
    this.#isOpen = true;
    if (this.#round === undefined) this.#options.ownership.join();
  }

  /** Stands aside, and stays. False: it ends. */
  stay(): boolean {
    if (this.#isEnding) return false;
    if (this.#round !== undefined) return true;
    const round = { over: new AbortController(), closeAtMs: new Map<Connection, number>() };
    this.#round = round;
    void this.#moveAway(round, this.#options.clock.nowMs()).then(() => {
      if (round.over.signal.aborted) return;
      this.#state = "drained";
      round.closeAtMs.clear();
    });
    return true;
  }

  /** Serves again, at whatever point it was. False: it ends. */
  takeBack(): boolean {
    if (this.#isEnding) return false;
    if (this.#round === undefined) return true;
    const { ownership, server } = this.#options;
    this.#round.over.abort();
    this.#round = undefined;
    this.#state = "serving";
    server.acceptNewcomers();
    // Before it knows the log and the orders, it could only distribute nothing.
    if (this.#isOpen) ownership.join();
    return true;
  }

  /** Resolves when nobody is connected, and others have what it owned. */
  async end(): Promise<void> {
    const { clock, drainMs } = this.#options;
    const beganMs = clock.nowMs();
    this.#isEnding = true;
    this.#round?.over.abort();
    const closeAtMs = this.#round?.closeAtMs ?? new Map<Connection, number>();
    this.#round = { over: new AbortController(), closeAtMs };
    await this.#moveAway(this.#round, beganMs);
    // Where that takes longer, what was promised to clients comes first.
    const leftMs = beganMs + drainMs * (1 - SETTLE_SHARE) - clock.nowMs();
    await within(clock, leftMs, this.#handedOver).catch(() => undefined);
  }

  /**
   * Partitions first: the group lets it go before clients are told; a broker that hangs holds nobody
   * back. Never rejects.
   */
  async #moveAway({ over: { signal }, closeAtMs }: Round, beganMs: number): Promise<void> {
    const { clock, random, drainMs, connections, server } = this.#options;
    this.#state = "draining";
    server.refuseNewcomers({ alsoCalls: this.#isEnding });
    await within(clock, drainMs * LEAVE_SHARE, this.#leave()).catch(() => undefined);
    if (signal.aborted) return;
    const times = { clock, random, drainMs, beganMs };
    await drainConnections(connections, { ...times, signal, closeAtMs });
  }

  #leave(): Promise<void> {
    const { clock, ownership, handoverMs } = this.#options;
    const isOwner = ownership.owned.size > 0;
    const left = ownership.leave();
    if (isOwner) this.#handedOver = left.then(() => delay(clock, handoverMs));
    return left;
  }
}

export function createDrain(
  config: EdgeConfig,
  parts: Pick<EdgeDrainOptions, "clock" | "server"> & {
    readonly clients: EdgeClients;
    readonly owned: EdgeOwnership;
  },
): EdgeDrain {
  const { clock, server, clients, owned } = parts;
  const { connections } = clients;
  const { ownership } = owned;
  const { drainMs } = config;
  const handoverMs = handoverMsOf(config);
  const options = { clock, server, connections, ownership, drainMs, handoverMs };
  return new EdgeDrain({ ...options, random: Math.random });
}
