import type { Log, Ownership } from "@millrace/log";
import { type Clock, type Logger, delay } from "@millrace/runtime";
import { cursorsTopicOf } from "@millrace/schemas";
import { type Admission, createAdmission } from "./admission/admission.ts";
import { startAdminPage } from "./admin/admin-page.ts";
import type { AdminServices } from "./admin/admin-routes.ts";
import { Tickets } from "./admission/tickets.ts";
import { CatchUp } from "./catchup/catch-up.ts";
import { StartPoints } from "./catchup/start-point.ts";
import { TurnGate } from "./catchup/turn-gate.ts";
import type { EdgeConfig } from "./config.ts";
import type { ConnectionContext } from "./connection/connection-context.ts";
import { ConnectionAges } from "./connection/connection-ages.ts";
import { Flusher } from "./connection/flusher.ts";
import { openCredentials } from "./edge-credentials.ts";
import { History } from "./history/history.ts";
import { RedisBlockStore } from "./finding/block-store.ts";
import { BlockIndex } from "./finding/block-index.ts";
import { MessageFinder } from "./finding/message-finder.ts";
import { HistoryPages } from "./http/history-pages.ts";
import { MessagePosts } from "./http/message-posts.ts";
import type { HttpServices } from "./http/routes.ts";
import { Heartbeats } from "./connection/heartbeats.ts";
import { Hubs } from "./hub/hubs.ts";
import { type EdgeLimits, LIMITS, assertLimits, withPublishRate } from "./limits.ts";
import { type EdgeMetrics, createMetrics } from "./metrics.ts";
import { type Dedup, createDedup } from "./dedup/dedup.ts";
import type { Tracing } from "./trace/tracing.ts";
import { DeliveryWatch } from "./watch/delivery-watch.ts";
import { sampleEdge } from "./watch/edge-gauges.ts";
import { sampleProcess } from "./watch/process-gauges.ts";
import { PublishWatch } from "./watch/publish-watch.ts";
import type { Traffic } from "./watch/traffic.ts";
import type { PublishGate } from "./publish/publish-gate.ts";
import { Publisher } from "./publish/publisher.ts";
import { PublishRates } from "./rates/publish-rates.ts";
import { RedisRateLedger } from "./rates/rate-ledger.ts";
import type { Orders } from "./orders/orders.ts";
import type { Rights } from "./rights/rights.ts";
import { RedisHealth } from "./redis/redis-health.ts";
import { TokenLives } from "./connection/token-life.ts";
import { startMetricsPage } from "./server/metrics-page.ts";
import { type Server, startServer } from "./server/server.ts";
import { Acknowledgements } from "./session/acknowledgements.ts";
import type { CursorRebuilder } from "./session/cursor-rebuild.ts";
import type { Cursors } from "./session/cursors.ts";
import type { Sessions } from "./session/sessions.ts";
import { type TopicParts, assertPartitions, kafkaLog, settleTopic } from "./edge-topics.ts";
import { EdgeRoom } from "./edge-room.ts";
import { createTelling } from "./edge-standing.ts";
import type { ProcessProbe } from "./vitals/process-probe.ts";
import { type EdgeDrain, SETTLE_SHARE, createDrain } from "./edge-drain.ts";
import { type EdgeOwnership, createOwnership } from "./edge-ownership.ts";
import { type EdgeRelay, type PieceLoss, createRelay } from "./edge-relay.ts";
import { EdgeClients } from "./edge-clients.ts";
import { type EdgeRights, createRights } from "./edge-rights.ts";
import { type SessionParts, createCursors, createSessions } from "./edge-sessions.ts";
import { type RedisLink, connectRedis } from "./redis/redis-link.ts";
import { DecodedRecords } from "./tail/decoded-records.ts";
import { Tails } from "./tail/tails.ts";

/** A running edge. */
export interface Edge {
  readonly port: number;
  readonly adminPort: number;
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
  /** Another way to decide who owns what than a consumer group. */
  readonly ownership?: Ownership;
  /** In relay mode: pieces for which it says so are lost on their way; for tests. */
  readonly isLost?: PieceLoss;
  /** Without it nothing is traced. */
  readonly tracing?: Tracing;
  /** Something else than what the system says of this process: for tests. */
  readonly probe?: ProcessProbe;
  /** Begins to end the process, as SIGTERM does. */
  readonly stop?: () => void;
}

/** How many helpings of catch-up the loop hands out in one turn. */
const CATCH_UPS_PER_TURN = 8;

/** For so long the start waits for partitions and their keys; then it serves what it has. */
const TAILS_PATIENCE_MS = 2_000;
const TAILS_POLL_MS = 10;

/** Serves once the log is reached; rejects when its topic could not keep the promises. */
export async function startEdge(config: EdgeConfig, dependencies: EdgeDependencies): Promise<Edge> {
  const { logger, clock } = dependencies;
  const limits = withPublishRate(dependencies.limits ?? LIMITS, config);
  assertLimits(limits);
  const metrics = createMetrics();
  const stopSampling = sampleProcess(metrics);
  const credentials = openCredentials(config, clock);
  const shared = { logger, clock, limits, credentials };
  const redis = connectRedis(config.redisUrl, { logger, ...credentials.redis });
  const health = new RedisHealth(redis, { clock, logger, refusals: metrics.redisRefusals });
  const held = createSessions(config, { ...shared, redis, health });
  const { sessions } = held;
  const ages = new ConnectionAges({ clock, random: Math.random, ageMs: config.connectionAgeMs });
  const clients = new EdgeClients(metrics, ages);
  const tickets = new Tickets(health, limits.ticketMs, () => {
    metrics.unreadable.inc({ what: "ticket" });
  });
  const log = dependencies.log ?? kafkaLog(config, config.topic, shared);
  const ruled = createRights(config, { ...shared, metrics, clients, messages: log });
  const { rights } = ruled;
  const room = new EdgeRoom(config, { ...shared, metrics, probe: dependencies.probe });
  const doors = { ...config, ...shared, ...room.doors, sessions, tickets, clients, rights };
  const admission = await createAdmission(doors);
  const server = await startServer({
    ...config,
    limits,
    logger,
    admission,
    isReady: () => clients.isServing && ruled.isWhole,
    hasRoom: () => room.isThere,
    stalled: () => clients.stalledPartitions,
    services: () => clients.services,
    open: (socket, identity, entry) => clients.open(socket, identity, entry),
    onHandshake: (status) => metrics.handshakes.inc({ status }),
  });
  room.watch(server);
  const cursorsLog = kafkaLog(config, cursorsTopicOf(config.topic), shared);
  const isGiven = dependencies.log !== undefined;
  const owning = { ...dependencies, ...shared, metrics, log, orders: ruled.orders, isGiven };
  const owned = createOwnership(config, owning);
  const drain = createDrain(config, { clock, clients, server, owned });
  const telling = createTelling(config, {
    ...{ clock, metrics, clients, log, room, server, ruled, health, drain },
    ownership: owned.ownership,
  });
  const services = {
    sessions,
    rulings: ruled.services,
    reports: telling.reports,
    orders: orderServices({ ruled, owned, log }),
    stopping: { drainMs: config.drainMs, stop: dependencies.stop, drain },
  };
  const pages = await startPages(config, { logger, metrics, admission, services });
  await Promise.all([openLogs(config, { log, cursorsLog, isGiven }, shared), ruled.open()]);
  const core = { ...dependencies, ...doors, metrics, redis, health, admission, log, cursorsLog };
  const { traffic } = telling;
  const parts = assemble(config, { ...core, ...owned, orders: ruled.orders, traffic });
  drain.open();
  await whenReached(parts, log, clock);
  const answers = httpServices({ limits, admission, tickets, ...parts });
  clients.serve({ context: parts.context, services: answers });
  return {
    port: server.port,
    adminPort: pages.adminPort,
    metrics,
    drain: async () => {
      await drain.end();
      const settleMs = config.drainMs * SETTLE_SHARE;
      await end({ ...parts, log, cursorsLog, ruled, server, settleMs });
      await dependencies.tracing?.close(settleMs);
      room.close();
      held.stop();
      telling.reports.stop();
      redis.disconnect();
      pages.close();
      credentials.close();
      stopSampling();
    },
  };
}

function orderServices(parts: {
  readonly ruled: EdgeRights;
  readonly owned: EdgeOwnership;
  readonly log: Log;
}): AdminServices["orders"] {
  const { ruled, owned, log } = parts;
  return {
    ...ruled.orderServices,
    partitions: () => log.epoch?.partitions,
    rejoin: () => owned.ownership.rejoin(),
  };
}

/** What Prometheus asks, and what operators call, each on a port of its own. */
async function startPages(
  config: EdgeConfig,
  parts: {
    readonly logger: Logger;
    readonly metrics: EdgeMetrics;
    readonly admission: Admission;
    readonly services: AdminServices;
  },
): Promise<{ readonly adminPort: number; close(): void }> {
  const { logger, metrics, admission, services } = parts;
  const page = await startMetricsPage(config, metrics.registry);
  const identify = admission.identifyOperator.bind(admission);
  const admin = await startAdminPage({ address: config.admin, logger, services, identify });
  return {
    adminPort: admin.port,
    close: () => {
      page.close();
      admin.close();
    },
  };
}

interface Parts {
  readonly relay: EdgeRelay;
  readonly dedup: Dedup;
  readonly context: ConnectionContext;
  readonly cursors: Cursors;
  readonly rebuilder: CursorRebuilder;
  readonly history: History;
}

function assemble(
  config: EdgeConfig,
  core: SessionParts &
    EdgeOwnership & {
      readonly metrics: EdgeMetrics;
      readonly sessions: Sessions;
      readonly log: Log;
      readonly cursorsLog: Log;
      readonly admission: Admission;
      readonly rights: Rights;
      readonly orders: Orders;
      readonly clients: EdgeClients;
      readonly traffic: Traffic;
    } & Pick<EdgeDependencies, "gate" | "isLost" | "tracing">,
): Parts {
  const { logger, clock, limits, log, metrics, sessions, admission, rights, clients } = core;
  const { tracing, progress } = core;
  const flusher = new Flusher(clock, limits.flushesPerTurn);
  const delivered = new DeliveryWatch({ flusher, clock, metrics, tracing });
  const hubs = new Hubs(logger, metrics, delivered, () => log.epoch?.partitions);
  const decoded = new DecodedRecords();
  const dedup = createDedup({ ...core, decoded });
  const { index, finder } = createFinder({ ...core, decoded });
  const relay = createRelay(config, {
    ...core,
    hubs,
    keys: dedup.feed,
    followers: [index, progress],
  });
  const tails = createTails(core, relay);
  const { gate = dedup.gateFor(tails) } = core;
  const { cursors, rebuilder } = createCursors({ ...core, log: core.cursorsLog, messages: log });
  rebuilder.start();
  const publishRates = createPublishRates(core);
  const turns = new TurnGate(clock, CATCH_UPS_PER_TURN);
  const catchUp = new CatchUp({ ...core, finder, hubs, tails, gate: turns });
  const watch = new PublishWatch({ clock, metrics, tracing });
  const publisher = new Publisher({ log, clock, limits, rights, gate, watch });
  const { connections } = clients;
  sampleEdge(metrics, { ...core, cursors, tails, catchUp, publisher, connections });
  const context: ConnectionContext = {
    edgeId: config.id,
    pingMs: config.pingMs,
    heartbeats: new Heartbeats({ ...config, ...limits, clock }),
    tokenLives: new TokenLives(clock),
    publishRates,
    renew: (token) => admission.renew(token),
    clock,
    limits,
    logger,
    metrics,
    flusher,
    hubs,
    tails,
    catchUp,
    startPoints: new StartPoints({ log, finder, cursors, limits }),
    publisher,
    onClosed: (connection, code) => clients.closed(connection, code),
    acknowledgements: new Acknowledgements({ log, tails, cursors }),
    sessions,
    rights,
  };
  const history = new History({ log, finder, clock, gate: turns, limits });
  return { context, cursors, rebuilder, relay, dedup, history };
}

function createTails(
  { log, clock, orders }: { readonly log: Log; readonly clock: Clock; readonly orders: Orders },
  relay: EdgeRelay,
): Tails {
  const tails = new Tails({
    log,
    clock,
    sourceOf: (partition, origin) => relay.sourceOf(partition, origin),
    isPaused: (partition) => orders.isPaused(partition),
  });
  orders.onChange(() => tails.obeyPauses());
  return tails;
}

function createPublishRates(parts: {
  readonly redis: RedisLink;
  readonly health: RedisHealth;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
}): PublishRates {
  const { clock, limits } = parts;
  const { publishPerSec: perSec, publishBurst: burst } = limits.announced;
  return new PublishRates(clock, limits, new RedisRateLedger({ ...parts, perSec, burst }));
}

function createFinder(parts: {
  readonly health: RedisHealth;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly metrics: EdgeMetrics;
  readonly log: Log;
  readonly decoded: DecodedRecords;
}): { readonly index: BlockIndex; readonly finder: MessageFinder } {
  const { health, clock, limits, metrics, log, decoded } = parts;
  const { indexKeepMs: keepMs, indexBytesMax: bytesMax, readBytes } = limits;
  const store = new RedisBlockStore({ health, clock, random: Math.random, keepMs });
  const index = new BlockIndex({
    store,
    clock,
    decoded,
    bytesMax,
    partitionsIn: (epoch) => (log.epoch?.id === epoch ? log.epoch.partitions : undefined),
    onUnreadable: () => metrics.unreadable.inc({ what: "block" }),
  });
  return { index, finder: new MessageFinder({ log, index, metrics, readBytes }) };
}

function httpServices(parts: {
  readonly limits: EdgeLimits;
  readonly admission: Admission;
  readonly tickets: Tickets;
  readonly history: History;
  readonly context: ConnectionContext;
}): HttpServices {
  const { limits, admission, tickets, history, context } = parts;
  const { metrics, publisher, sessions, publishRates, rights } = context;
  return {
    limits,
    sessions,
    admission,
    tickets,
    history: new HistoryPages({ history, rights, limits, metrics }),
    posts: new MessagePosts({ publisher, rights, limits, metrics, publishRates }),
  };
}

async function openLogs(
  config: EdgeConfig,
  logs: { readonly log: Log; readonly cursorsLog: Log; readonly isGiven: boolean },
  parts: TopicParts,
): Promise<void> {
  const { log, cursorsLog, isGiven } = logs;
  const messages = { name: config.topic, purpose: "messages" } as const;
  const cursors = { name: cursorsTopicOf(config.topic), purpose: "cursors" } as const;
  const settled = isGiven ? Promise.resolve() : settleTopic(config, messages, parts);
  await Promise.all([settled, settleTopic(config, cursors, parts)]);
  await Promise.all([log.open(), cursorsLog.open()]);
  if (!isGiven) await assertPartitions(config, log);
}

async function whenReached({ context, dedup }: Parts, log: Log, clock: Clock): Promise<void> {
  const deadlineMs = clock.nowMs() + TAILS_PATIENCE_MS;
  const isReached = (): boolean => context.tails.reached >= (log.epoch?.partitions ?? 0);
  while (!(isReached() && dedup.feed.isSettled) && clock.nowMs() < deadlineMs) {
    await delay(clock, TAILS_POLL_MS);
  }
}

async function end(
  parts: Parts & {
    readonly log: Log;
    readonly cursorsLog: Log;
    readonly ruled: EdgeRights;
    readonly server: Server;
    readonly settleMs: number;
  },
): Promise<void> {
  const { log, cursorsLog, ruled, server, cursors, rebuilder, context, dedup, settleMs } = parts;
  const { relay } = parts;
  dedup.feed.stop();
  await Promise.all([
    // First the log, so that no tail waits in a long poll any more.
    log.close({ settleMs }),
    cursors.flush().then(() => cursorsLog.close({ settleMs })),
    rebuilder.stop(),
    ruled.close({ settleMs }),
  ]);
  dedup.flush();
  await context.tails.stop();
  relay.stop();
  server.close();
}
