import type { Log } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import type { EdgeConfig } from "./config.ts";
import type { EdgeClients } from "./edge-clients.ts";
import type { EdgeRelay } from "./edge-relay.ts";
import type { EdgeRights } from "./edge-rights.ts";
import type { EdgeRoom } from "./edge-room.ts";
import type { EdgeMetrics } from "./metrics.ts";
import type { RedisHealth } from "./redis/redis-health.ts";
import type { Server } from "./server/server.ts";
import { EdgeReports, type EdgeStanding, type ReportedState } from "./watch/edge-reports.ts";
import { Traffic } from "./watch/traffic.ts";

export interface StandingParts {
  readonly clock: Clock;
  readonly metrics: EdgeMetrics;
  readonly log: Log;
  readonly room: Pick<EdgeRoom, "connectionsMax">;
  readonly server: Pick<Server, "isReady" | "isRefusing">;
  readonly clients: EdgeClients;
  readonly ruled: Pick<EdgeRights, "silenceMs">;
  readonly health: Pick<RedisHealth, "isUp">;
}

/** What operators are told of the edge. */
export interface EdgeTelling {
  readonly reports: EdgeReports;
  /** Hears of each record. */
  readonly traffic: Traffic;
  /** From then on there are partitions that it may own. */
  relayedBy(relay: Pick<EdgeRelay, "owned">): void;
}

export function createTelling(config: EdgeConfig, parts: StandingParts): EdgeTelling {
  const { clock, metrics, log, clients, room } = parts;
  const { connectionsMax } = room;
  const traffic = new Traffic(clock, () => log.epoch?.partitions ?? 0);
  const standing = new PartsStanding(config, parts);
  const told = { config, clock, metrics, clients, log, traffic, connectionsMax, standing };
  const reports = new EdgeReports(told);
  return { reports, traffic, relayedBy: (relay) => standing.relayedBy(relay) };
}

/** How the edge stands, gathered from its parts for those who ask. */
class PartsStanding implements EdgeStanding {
  readonly weight: number;
  readonly #parts: StandingParts;
  #relay: Pick<EdgeRelay, "owned"> | undefined;

  constructor({ weight }: Pick<EdgeConfig, "weight">, parts: StandingParts) {
    this.weight = weight;
    this.#parts = parts;
  }

  relayedBy(relay: Pick<EdgeRelay, "owned">): void {
    this.#relay = relay;
  }

  get state(): ReportedState {
    const { server, clients } = this.#parts;
    if (server.isRefusing) return "draining";
    return clients.isServing ? "serving" : "starting";
  }

  get isReady(): boolean {
    return this.#parts.server.isReady;
  }

  get isRedisUp(): boolean {
    return this.#parts.health.isUp;
  }

  get rulingsSilenceMs(): number {
    return this.#parts.ruled.silenceMs;
  }

  isOwned(partition: number): boolean {
    return this.#relay?.owned().has(partition) ?? false;
  }

  isPaused(): boolean {
    return false;
  }
}
