import type { Log } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import type {
  ConnectionReport,
  ConversationId,
  ConversationReport,
  EdgeReport,
  PartitionReport,
  RightsReport,
  UserId,
} from "@millrace/schemas";
import type { Gauge } from "prom-client";
import type { EdgeConfig } from "../config.ts";
import type { Connection } from "../connection/connection.ts";
import type { EdgeClients } from "../edge-clients.ts";
import type { EdgeMetrics } from "../metrics.ts";
import type { TailState } from "../tail/tails.ts";
import { bufferedBytes } from "./edge-gauges.ts";
import { versionOf } from "./process-gauges.ts";
import { type Recent, RecentRates } from "./recent-rates.ts";
import type { Traffic } from "./traffic.ts";

export type ReportedState = EdgeReport["state"];

/** How the edge stands, as its parts know it at the moment. */
export interface EdgeStanding {
  readonly state: ReportedState;
  readonly isReady: boolean;
  readonly isRedisUp: boolean;
  readonly rulingsSilenceMs: number;
  /** Its share of the partitions. */
  readonly weight: number;
  isOwned(partition: number): boolean;
  isPaused(partition: number): boolean;
}

export interface EdgeReportsOptions {
  readonly config: Pick<EdgeConfig, "id" | "delivery" | "topic">;
  readonly clock: Clock;
  readonly metrics: EdgeMetrics;
  readonly clients: EdgeClients;
  readonly log: Pick<Log, "epoch">;
  readonly traffic: Traffic;
  readonly connectionsMax: number;
  readonly standing: EdgeStanding;
}

export interface ConnectionsReport {
  readonly connections: readonly ConnectionReport[];
  readonly total: number;
}

const LISTED_MAX = 100;
const HOTTEST = 5;

/**
 * What the edge tells operators of itself and its clients, put together when somebody asks: beyond a
 * few counters it costs nothing in between, and no connection keeps anything for it. So each answer
 * looks at all connections, once: 2 to 5 ms for 20,000 of them.
 */
export class EdgeReports {
  readonly #options: EdgeReportsOptions;
  readonly #rates: RecentRates;
  readonly #startedAtMs: number;
  readonly #startedMs: number;
  readonly #version = versionOf();

  constructor(options: EdgeReportsOptions) {
    const { clock, metrics } = options;
    this.#options = options;
    this.#startedAtMs = clock.wallMs();
    this.#startedMs = clock.nowMs();
    this.#rates = new RecentRates({ clock, metrics, records: () => this.#records() });
    this.#rates.start();
  }

  stop(): void {
    this.#rates.stop();
  }

  async edge(): Promise<EdgeReport> {
    const { config, clock, metrics, clients, log, connectionsMax, standing } = this.#options;
    const { connections, context } = clients;
    const recent = await this.#rates.recent();
    return {
      id: config.id,
      pid: process.pid,
      version: this.#version,
      state: standing.state,
      isReady: standing.isReady,
      delivery: config.delivery,
      startedAtMs: this.#startedAtMs,
      weight: standing.weight,
      connections: connections.size,
      connectionsMax,
      subscriptions: await valueOf(metrics.subscriptions),
      lagging: context?.catchUp.lagging ?? 0,
      catchUps: context?.catchUp.running ?? 0,
      bufferedBytes: bufferedBytes(connections),
      memoryShare: await valueOf(metrics.memoryShare),
      isRedisUp: standing.isRedisUp,
      logSilenceMs: this.#partitions > 0 && context ? context.tails.silenceMs : this.#ageMs(clock),
      rulingsSilenceMs: standing.rulingsSilenceMs,
      rates: recent.rates,
      publishLatency: recent.publishLatency,
      deliveryLatency: recent.deliveryLatency,
      topic: {
        name: config.topic,
        epoch: log.epoch?.id ?? null,
        partitions: this.#partitions,
      },
      partitions: this.#states().map((state) => this.#partition(state, recent)),
    };
  }

  /** With what each may do in that conversation, where one is named. */
  connections(user: UserId, conversation?: ConversationId): ConnectionsReport {
    const connections: ConnectionReport[] = [];
    let total = 0;
    for (const connection of this.#options.clients.connections) {
      if (connection.user !== user) continue;
      if (total < LISTED_MAX) {
        const rights = conversation && rightsOf(connection, conversation);
        connections.push({ ...connection.report(LISTED_MAX), ...(rights && { rights }) });
      }
      total += 1;
    }
    return { connections, total };
  }

  async conversation(conversation: ConversationId): Promise<ConversationReport> {
    const { clients } = this.#options;
    const { context } = clients;
    const recent = await this.#rates.recent();
    const partition = context?.tails.partitionOf(conversation);
    const state = this.#states().find((one) => one.partition === partition);
    const counts = { live: 0, lagging: 0, "catching-up": 0, finding: 0 };
    // Also those whose partition can't be reached, of whom no hub knows.
    for (const connection of clients.connections) {
      const how = connection.stateOf(conversation);
      if (how !== undefined) counts[how] += 1;
    }
    return {
      conversation,
      partition: state === undefined ? null : this.#partition(state, recent),
      lastPosition: context?.hubs.find(conversation)?.last.text ?? null,
      live: counts.live,
      catchingUp: counts["catching-up"] + counts.finding,
      lagging: counts.lagging,
    };
  }

  #partition(state: TailState, recent: Recent): PartitionReport {
    const { standing, traffic, clients } = this.#options;
    const { partition, lag } = state;
    const hubs = clients.context?.hubs;
    return {
      partition,
      isOwned: standing.isOwned(partition),
      isPaused: standing.isPaused(partition),
      mode: state.isDirect ? "direct" : "relay",
      position: state.nextOffset?.toString() ?? null,
      end: state.endOffset?.toString() ?? null,
      lag: lag ?? null,
      lagMs: state.lagMs,
      stalledMs: state.stalledMs,
      silenceMs: state.silenceMs,
      recordsPerSec: recent.recordsPerSec(partition),
      subscribers: hubs?.members(partition) ?? 0,
      hottest: traffic.hottest(partition, HOTTEST).map(({ conversation, recordsPerSec }) => {
        const subscribers = hubs?.find(conversation)?.members ?? 0;
        return { conversation, recordsPerSec, subscribers };
      }),
    };
  }

  get #partitions(): number {
    return this.#options.log.epoch?.partitions ?? 0;
  }

  #states(): readonly TailState[] {
    return this.#options.clients.context?.tails.states() ?? [];
  }

  #records(): number[] {
    const { traffic } = this.#options;
    return Array.from({ length: this.#partitions }, (_, partition) => traffic.records(partition));
  }

  #ageMs(clock: Clock): number {
    return clock.nowMs() - this.#startedMs;
  }
}

/** As the edge judges its next frame. */
function rightsOf(connection: Connection, conversation: ConversationId): RightsReport {
  const mayRead = connection.mayRead(conversation);
  return { conversation, mayRead, mayWrite: connection.mayWrite(conversation) };
}

/** Of a gauge without labels, as it was last set. */
async function valueOf(gauge: Pick<Gauge, "get">): Promise<number> {
  const { values } = await gauge.get();
  return values[0]?.value ?? 0;
}
