import type { Log, Ownership } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import type { EdgeConfig } from "./config.ts";
import type { EdgeClients } from "./edge-clients.ts";
import type { EdgeDrain } from "./edge-drain.ts";
import { weightInForce } from "./edge-ownership.ts";
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
  readonly server: Pick<Server, "isReady">;
  readonly clients: EdgeClients;
  readonly ruled: Pick<EdgeRights, "silenceMs" | "orders">;
  readonly ownership: Pick<Ownership, "owned">;
  readonly drain: Pick<EdgeDrain, "state">;
  readonly health: Pick<RedisHealth, "isUp">;
}

/** What operators are told of the edge. */
export interface EdgeTelling {
  readonly reports: EdgeReports;
  /** Hears of each record. */
  readonly traffic: Traffic;
}

export function createTelling(config: EdgeConfig, parts: StandingParts): EdgeTelling {
  const { clock, metrics, log, clients, room } = parts;
  const { connectionsMax } = room;
  const traffic = new Traffic(clock, () => log.epoch?.partitions ?? 0);
  const standing = new PartsStanding(config, parts);
  const told = { config, clock, metrics, clients, log, traffic, connectionsMax, standing };
  const reports = new EdgeReports(told);
  return { reports, traffic };
}

/** How the edge stands, gathered from its parts for those who ask. */
class PartsStanding implements EdgeStanding {
  readonly #config: EdgeConfig;
  readonly #parts: StandingParts;

  constructor(config: EdgeConfig, parts: StandingParts) {
    this.#config = config;
    this.#parts = parts;
  }

  get weight(): number {
    return weightInForce(this.#config, this.#parts.ruled.orders);
  }

  get state(): ReportedState {
    const { drain, clients } = this.#parts;
    if (drain.state !== "serving") return drain.state;
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
    return this.#parts.ownership.owned.has(partition);
  }

  isPaused(partition: number): boolean {
    return this.#parts.ruled.orders.isPaused(partition);
  }
}
