import { randomBytes } from "node:crypto";
import { type Log, createKafkaLog, ensureTopic, formatProblem } from "@millrace/log";
import { type Clock, type Logger, delay, must } from "@millrace/runtime";
import { type Admission, createAdmission } from "./admission/admission.ts";
import { CatchUp } from "./catchup/catch-up.ts";
import { StartPoints } from "./catchup/start-point.ts";
import { TurnGate } from "./catchup/turn-gate.ts";
import type { EdgeConfig } from "./config.ts";
import { Connection, type ConnectionContext } from "./connection/connection.ts";
import { drainConnections } from "./connection/drain.ts";
import { Flusher } from "./connection/flusher.ts";
import { type EdgeCredentials, openCredentials } from "./edge-credentials.ts";
import { Heartbeats } from "./connection/heartbeats.ts";
import { Hubs } from "./hub/hubs.ts";
import { type EdgeLimits, LIMITS, assertLimits, withPublishRate } from "./limits.ts";
import { type EdgeMetrics, createMetrics } from "./metrics.ts";
import { type Dedup, createDedup } from "./dedup/dedup.ts";
import type { PublishGate } from "./publish/publish-gate.ts";
import { Publisher } from "./publish/publisher.ts";
import { PublishRates } from "./rates/publish-rates.ts";
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
}

/** The share of the drain's time that unsettled publishes may take after the last client left. */
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
  const { logger, clock } = dependencies;
  const limits = withPublishRate(dependencies.limits ?? LIMITS, config);
  assertLimits(limits);
  const metrics = createMetrics();
  const admission = await createAdmission({ ...config, logger, clock });
  const credentials = openCredentials(config, clock);
  const log = dependencies.log ?? kafkaLog(config, dependencies, credentials);
  const connections = new Set<Connection>();
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
      return listenerOf(connection, () => connections.delete(connection));
    },
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
    admission,
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
      await end({ ...parts, log, server, settleMs: drainMs * SETTLE_SHARE });
      page.close();
      credentials.close();
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
    readonly admission: Admission;
    readonly gate?: PublishGate;
    readonly credentials: EdgeCredentials;
  },
): Parts {
  const { logger, clock, limits, log, metrics, credentials, admission } = dependencies;
  const hubs = new Hubs(logger, metrics);
  const redis = connectRedis(config.redisUrl, { logger, ...credentials.redis });
  const health = new RedisHealth(redis, { clock, logger });
  const dedup = createDedup({ redis, health, log, clock, limits });
  const tails = new Tails({ log, hubs, clock, logger, limits, follower: dedup.feed });
  const { gate = dedup.gateFor(tails) } = dependencies;
  const store = new RedisCursorStore(redis, logger);
  const cursors = new Cursors({ store, clock, limits });
  const turns = new TurnGate(clock, CATCH_UPS_PER_TURN);
  const context: ConnectionContext = {
    edgeId: config.id,
    pingMs: config.pingMs,
    heartbeats: new Heartbeats({ ...config, ...limits, clock }),
    publishRates: new PublishRates(clock, limits),
    renew: (token) => admission.renew(token),
    clock,
    limits,
    logger,
    metrics,
    flusher: new Flusher(clock, limits.flushesPerTurn),
    hubs,
    tails,
    catchUp: new CatchUp({ log, hubs, tails, clock, gate: turns, limits, logger, metrics }),
    startPoints: new StartPoints({ log, cursors, limits }),
    publisher: new Publisher({ log, clock, limits, gate }),
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

function listenerOf(connection: Connection, onClose: () => void) {
  return {
    onText: (text: string) => connection.onText(text),
    onSign: () => connection.onSign(),
    onDrain: () => connection.onDrain(),
    onClose: () => {
      connection.onClose();
      onClose();
    },
  };
}

function randomId(kind: "c" | "s"): string {
  return `${kind}_${randomBytes(ID_BYTES).toString("base64url")}`;
}
