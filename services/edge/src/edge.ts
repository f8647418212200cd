import { randomBytes } from "node:crypto";
import { type Log, openKafkaLog } from "@millrace/log";
import { type Clock, type Logger, delay } from "@millrace/runtime";
import { createAdmission } from "./admission/admission.ts";
import { CatchUp } from "./catchup/catch-up.ts";
import { StartPoints } from "./catchup/start-point.ts";
import { TurnGate } from "./catchup/turn-gate.ts";
import type { EdgeConfig } from "./config.ts";
import { Connection, type ConnectionContext } from "./connection/connection.ts";
import { drainConnections } from "./connection/drain.ts";
import { Flusher } from "./connection/flusher.ts";
import { Hubs } from "./hub/hubs.ts";
import { type EdgeLimits, LIMITS, assertLimits } from "./limits.ts";
import { type EdgeMetrics, createMetrics } from "./metrics.ts";
import { type PublishGate, Publisher } from "./publish/publisher.ts";
import { startServer } from "./server/server.ts";
import { Acknowledgements } from "./session/acknowledgements.ts";
import { RedisCursorStore } from "./session/cursor-store.ts";
import { Cursors } from "./session/cursors.ts";
import { connectRedis } from "./session/redis.ts";
import { Tails } from "./tail/tails.ts";

/** A running edge. */
export interface Edge {
  readonly port: number;
  readonly metrics: EdgeMetrics;
  /** Moves its clients away, finishes what was promised, ends. Resolves when all is closed. */
  drain(): Promise<void>;
}

export interface EdgeDependencies {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly limits?: EdgeLimits;
  /** Another log than the configured Kafka: for tests on the memory log. */
  readonly log?: Log;
  readonly gate?: PublishGate;
}

/** The share of the drain's time that unsettled publishes may take after the last client left. */
const SETTLE_SHARE = 0.1;

/** How many helpings of catch-up the loop hands out in one turn. */
const CATCH_UPS_PER_TURN = 8;

/** Starts to serve once the log is reached and every reachable partition has a tail. */
export async function startEdge(config: EdgeConfig, dependencies: EdgeDependencies): Promise<Edge> {
  const { logger, clock, limits = LIMITS } = dependencies;
  assertLimits(limits);
  const metrics = createMetrics();
  const log = dependencies.log ?? (await openLog(config, dependencies));
  const hubs = new Hubs(logger, metrics);
  const tails = new Tails({ log, hubs, clock, logger, limits });
  const redis = connectRedis(config.redisUrl, { logger });
  const cursors = new Cursors({ store: new RedisCursorStore(redis, logger), clock, limits });
  const gate = new TurnGate(clock, CATCH_UPS_PER_TURN);
  const context: ConnectionContext = {
    edgeId: config.id,
    pingMs: config.pingMs,
    clock,
    limits,
    logger,
    metrics,
    flusher: new Flusher(clock, limits.flushesPerTurn),
    hubs,
    tails,
    catchUp: new CatchUp({ log, hubs, tails, clock, gate, limits, logger, metrics }),
    startPoints: new StartPoints({ log, cursors, limits }),
    publisher: new Publisher({
      log,
      clock,
      limits,
      ...(dependencies.gate && { gate: dependencies.gate }),
    }),
    acknowledgements: new Acknowledgements({ log, tails, cursors }),
  };
  const connections = new Set<Connection>();
  const server = await startServer({});
  return { port: server.port, metrics, drain: async () => {} };
}
