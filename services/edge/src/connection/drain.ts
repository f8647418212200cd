import { type Clock, delay } from "@millrace/runtime";
import type { Connection } from "./connection.ts";

/** The share of the drain's time over which clients are told to come back elsewhere. */
const SPREAD_SHARE = 0.4;

/** What a client may count on beyond its `afterMs`: docs/protocol.md §8. */
export const GRACE_MS = 10_000;

/** Time kept at the end for close frames, unsettled publishes and cursors. */
const RESERVE_SHARE = 0.1;

const POLL_MS = 20;

export interface DrainOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** The whole time; afterwards the process ends whatever is left. */
  readonly drainMs: number;
  /** When the drain began: its end stays where it is, however late clients are told. */
  readonly beganMs: number;
  /** Taken back: nobody is closed from then on. */
  readonly signal?: AbortSignal;
  /** When each of those is closed whom another drain, with which this one goes on, has told to go. */
  readonly closeAtMs?: Map<Connection, number>;
}

/**
 * Tells every client to connect elsewhere, each after its own delay, so that they arrive elsewhere
 * at an even rate; closes with 1001 whoever is left after its grace, or at the deadline. Resolves
 * when no connection is left, or it is taken back.
 */
export async function drainConnections(
  connections: ReadonlySet<Connection>,
  options: DrainOptions,
): Promise<void> {
  const { clock, random, drainMs, beganMs, signal, closeAtMs = new Map() } = options;
  const startMs = clock.nowMs();
  const lastMs = beganMs + drainMs * (1 - RESERVE_SHARE);
  for (const [connection, atMs] of closeAtMs) closeAtMs.set(connection, Math.min(lastMs, atMs));
  const untold = [...connections].filter((connection) => !closeAtMs.has(connection));
  // Each has a part of the time of its own: chance alone would crowd some of them together.
  const partMs = (drainMs * SPREAD_SHARE) / untold.length;
  for (const [part, connection] of untold.entries()) {
    const afterMs = Math.round((part + random()) * partMs);
    connection.send({ t: "goaway", afterMs, reason: "drain" });
    closeAtMs.set(connection, Math.min(lastMs, startMs + afterMs + GRACE_MS));
  }
  const isOver = (): boolean => connections.size === 0 || signal?.aborted === true;
  while (!isOver()) {
    const nowMs = clock.nowMs();
    for (const connection of connections) {
      // One that slipped in while the door was closing has no time of its own.
      if (nowMs >= (closeAtMs.get(connection) ?? lastMs)) connection.close(1001);
    }
    await delay(clock, POLL_MS);
  }
}
