import { randomBytes } from "node:crypto";
import { type Log, createKafkaLog, ensureTopic, formatProblem } from "@millrace/log";
import { type Clock, type Logger, delay, must } from "@millrace/runtime";
import { createAdmission } from "./admission/admission.ts";
import { CatchUp } from "./catchup/catch-up.ts";
import { StartPoints } from "./catchup/start-point.ts";
import { TurnGate } from "./catchup/turn-gate.ts";
import type { EdgeConfig } from "./config.ts";
import { Connection, type ConnectionContext } from "./connection/connection.ts";
import { drainConnections } from "./connection/drain.ts";
import { Flusher } from "./connection/flusher.ts";
import { type EdgeCredentials, openCredentials } from "./edge-credentials.ts";
import { Hubs } from "./hub/hubs.ts";
import { type EdgeLimits, LIMITS, assertLimits } from "./limits.ts";
import { type EdgeMetrics, createMetrics } from "./metrics.ts";
import { type Dedup, createDedup } from "./dedup/dedup.ts";
import type { Socket } from "./connection/socket.ts";
import type { Tracing } from "./trace/tracing.ts";
import { countClose } from "./watch/close-count.ts";
import { DeliveryWatch } from "./watch/delivery-watch.ts";
import { sampleEdge } from "./watch/edge-gauges.ts";
import { sampleProcess } from "./watch/process-gauges.ts";
import { PublishWatch } from "./watch/publish-watch.ts";
import type { PublishGate } from "./publish/publish-gate.ts";
import { Publisher } from "./publish/publisher.ts";
import { RedisHealth } from "./redis/redis-health.ts";
import { startMetricsPage } from "./server/metrics-page.ts";
import { type Server, startServer } from "./server/server.ts";
import { Acknowledgements } from "./session/acknowledgements.ts";
import { RedisCursorStore } from "./session/cursor-store.ts";
import { Cursors } from "./session/cursors.ts";
import { connectRedis } from "./redis/redis-link.ts";
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
  /** Without it nothing is traced. */
  readonly tracing?: Tracing;
}

/**
 * The share of the drain's time that unsettled publishes may take after the last client left, and
 * unsent traces after them.
 */
const SETTLE_SHARE = 0.1;

/** How many helpings of catch-up the loop hands out in one turn. */
const CATCH_UPS_PER_TURN = 8;

/** For so long the start waits for partitions and their keys; then it serves what it has. */
const TAILS_PATIENCE_MS = 2_000;
const TAILS_POLL_MS = 10;

const TOPIC_RETRY_MS = 1_000;
const ID_BYTES = 12;

/** Serves once the log is reached; rejects when its topic could not keep the promises. */
export async function startEdge(config: EdgeConfig, dependencies: EdgeDependencies): Promise<Edge> {
  const { logger, clock, limits = LIMITS } = dependencies;
  assertLimits(limits);
  const metrics = createMetrics();
  const stopSampling = sampleProcess(metrics);
  const admission = await createAdmission({ ...config, logger, clock });
  const credentials = openCredentials(config, clock);
  const log = dependencies.log ?? kafkaLog(config, dependencies, credentials);
  const connections = new Set<Connection>();
  const sockets = new Set<Socket>();
  const ready: { context?: ConnectionContext } = {};
  const server = await startServer({
    ...config,
    limits,
    logger,
    admission,
    isReady: () => ready.context !== undefined,
    open: (socket, identity) => {
      const context = must(ready.context, "nobody is admitted before the edge is ready");
      const names = { identity, connectionId: randomId("c"), sessionId: randomId("s") };
      const connection = new Connection(context, socket, names);
      connections.add(connection);
      sockets.add(socket);
      return listenerOf(connection, (code) => {
        connections.delete(connection);
        sockets.delete(socket);
        countClose(metrics, code);
      });
    },
    onHandshake: (status) => metrics.handshakes.inc({ status }),
  });
  const page = await startMetricsPage(config, metrics.registry);
  if (dependencies.log === undefined) await settleTopic(config, dependencies, credentials);
  await log.open();
  const parts = assemble(config, {
    ...dependencies,
    limits,
    log,
    metrics,
    credentials,
    sockets,
  });
  await whenReached(parts, log, clock);
  ready.context = parts.context;
  return {
    port: server.port,
    metrics,
    drain: async () => {
      const { drainMs } = config;
      server.refuseNewcomers();
      await drainConnections(connections, { clock, random: Math.random, drainMs });
      const settleMs = drainMs * SETTLE_SHARE;
      await end({ ...parts, log, server, settleMs });
      await dependencies.tracing?.close(settleMs);
      page.close();
      credentials.close();
      stopSampling();
    },
  };
}

interface Parts {
  readonly dedup: Dedup;
  readonly context: ConnectionContext;
  readonly cursors: Cursors;
  readonly disconnectRedis: () => void;
}

function assemble(
  config: EdgeConfig,
  dependencies: Required<Pick<EdgeDependencies, "logger" | "clock" | "limits" | "log">> & {
    readonly metrics: EdgeMetrics;
    readonly gate?: PublishGate;
    readonly tracing?: Tracing;
    readonly credentials: EdgeCredentials;
    readonly sockets: ReadonlySet<Socket>;
  },
): Parts {
  const { logger, clock, limits, log, metrics, credentials, sockets, tracing } = dependencies;
  const flusher = new Flusher(clock, limits.flushesPerTurn);
  const hubs = new Hubs(logger, metrics, new DeliveryWatch({ flusher, clock, metrics, tracing }));
  const redis = connectRedis(config.redisUrl, { logger, ...credentials.redis });
  const health = new RedisHealth(redis, { clock, logger });
  const dedup = createDedup({ redis, health, log, clock, limits });
  const tails = new Tails({ log, hubs, clock, logger, limits, follower: dedup.feed });
  const { gate = dedup.gateFor(tails) } = dependencies;
  const store = new RedisCursorStore(redis, logger);
  const cursors = new Cursors({ store, clock, limits });
  const turns = new TurnGate(clock, CATCH_UPS_PER_TURN);
  const catchUp = new CatchUp({ log, hubs, tails, clock, gate: turns, limits, logger, metrics });
  const watch = new PublishWatch({ clock, metrics, tracing });
  const publisher = new Publisher({ log, clock, limits, gate, watch });
  sampleEdge(metrics, { tails, catchUp, publisher, health, sockets });
  const context: ConnectionContext = {
    edgeId: config.id,
    pingMs: config.pingMs,
    clock,
    limits,
    logger,
    metrics,
    flusher,
    hubs,
    tails,
    catchUp,
    startPoints: new StartPoints({ log, cursors, limits }),
    publisher,
    acknowledgements: new Acknowledgements({ log, tails, cursors }),
  };
  return { context, cursors, dedup, disconnectRedis: () => redis.disconnect() };
}

function kafkaLog(
  config: EdgeConfig,
  { logger, clock }: EdgeDependencies,
  { kafka }: EdgeCredentials,
): Log {
  const { kafkaBrokers: brokers, topic, id: clientId } = config;
  return createKafkaLog({ brokers, topic, clientId, logger, clock, ...kafka });
}

/** Kafka may come up later than the edge does: it is asked until it answers. */
async function settleTopic(
  config: EdgeConfig,
  { logger, clock }: EdgeDependencies,
  { kafka }: EdgeCredentials,
): Promise<void> {
  const { kafkaBrokers: brokers, topic, isDevelopment } = config;
  for (;;) {
    let report: Awaited<ReturnType<typeof ensureTopic>>;
    try {
      report = await ensureTopic({ brokers, topic, isDevelopment, logger, ...kafka });
    } catch (cause) {
      logger.warn({ err: cause }, "Kafka does not answer about the topic yet");
      await delay(clock, TOPIC_RETRY_MS);
      continue;
    }
    const problems = report.problems.map((problem) => formatProblem(topic, problem));
    if (problems.length > 0 && !isDevelopment) {
      throw new Error(`the topic can't keep the promises: ${problems.join("; ")}`);
    }
    for (const problem of problems) logger.warn({ problem }, "a promise can't be kept");
    return;
  }
}

async function whenReached({ context, dedup }: Parts, log: Log, clock: Clock): Promise<void> {
  const deadlineMs = clock.nowMs() + TAILS_PATIENCE_MS;
  const isReached = (): boolean => context.tails.reached >= (log.epoch?.partitions ?? 0);
  while (!(isReached() && dedup.feed.isSettled) && clock.nowMs() < deadlineMs) {
    await delay(clock, TAILS_POLL_MS);
  }
}

async function end(
  parts: Parts & { readonly log: Log; readonly server: Server; readonly settleMs: number },
): Promise<void> {
  const { log, server, cursors, context, dedup, disconnectRedis, settleMs } = parts;
  dedup.feed.stop();
  // First the log, so that no tail waits in a long poll any more.
  await Promise.all([log.close({ settleMs }), cursors.flush()]);
  await context.tails.stop();
  disconnectRedis();
  server.close();
}

function listenerOf(connection: Connection, onClose: (code: number) => void) {
  return {
    onText: (text: string) => connection.onText(text),
    onDrain: () => connection.onDrain(),
    onClose: (code: number) => {
      connection.onClose();
      onClose(code);
    },
  };
}

function randomId(kind: "c" | "s"): string {
  return `${kind}_${randomBytes(ID_BYTES).toString("base64url")}`;
}
