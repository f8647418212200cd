import type { Gauge } from "prom-client";
import type { Log } from "@millrace/log";
import type { CatchUp } from "../catchup/catch-up.ts";
import type { Connection } from "../connection/connection.ts";
import type { EdgeMetrics } from "../metrics.ts";
import type { Publisher } from "../publish/publisher.ts";
import type { RedisHealth } from "../redis/redis-health.ts";
import type { Cursors } from "../session/cursors.ts";
import type { TailState, Tails } from "../tail/tails.ts";

/** What is looked at when somebody asks for it, so that it costs nothing in between. */
export function sampleEdge(
  metrics: EdgeMetrics,
  parts: {
    readonly log: Log;
    readonly cursors: Cursors;
    readonly tails: Tails;
    readonly catchUp: CatchUp;
    readonly publisher: Publisher;
    readonly health: RedisHealth;
    readonly connections: ReadonlySet<Connection>;
  },
): void {
  const { log, cursors, tails, catchUp, publisher, health, connections } = parts;
  onScrape(metrics.redisUp, (gauge) => gauge.set(health.isUp ? 1 : 0));
  onScrape(metrics.partitionsUnused, (gauge) => gauge.set(log.unusedPartitions));
  onScrape(metrics.partitionsPaused, (gauge) =>
    gauge.set(tails.states().filter(({ isPaused }) => isPaused).length),
  );
  onScrape(metrics.cursorsPending, (gauge) => gauge.set(cursors.pending));
  onScrape(metrics.writerInFlight, (gauge) => gauge.set(publisher.inFlight));
  onScrape(metrics.catchUps, (gauge) => gauge.set(catchUp.running));
  onScrape(metrics.laggingNow, (gauge) => gauge.set(catchUp.lagging));
  onScrape(metrics.bufferedBytes, (gauge) => gauge.set(bufferedBytes(connections)));
  const byPartition = (
    gauge: Gauge<"partition">,
    valueOf: (state: TailState) => number | undefined,
  ) =>
    onScrape(gauge, () => {
      gauge.reset();
      for (const state of tails.states()) {
        const value = valueOf(state);
        if (value !== undefined) gauge.set({ partition: state.partition }, value);
      }
    });
  // Nothing is known of a partition that was never reached; its silence says so.
  byPartition(metrics.tailLag, ({ lag }) => lag);
  // A partition that is paused is behind because somebody wants it to be.
  byPartition(metrics.tailLagSeconds, ({ lag, lagMs, isPaused }) =>
    lag === undefined ? undefined : isPaused ? 0 : lagMs / 1_000,
  );
  byPartition(metrics.tailStalled, ({ stalledMs }) => stalledMs / 1_000);
  byPartition(metrics.tailSilence, ({ silenceMs }) => silenceMs / 1_000);
}

/** The library asks each gauge for its `collect` before it is read. */
export function onScrape<Label extends string>(
  gauge: Gauge<Label>,
  collect: (gauge: Gauge<Label>) => void,
): void {
  Object.assign(gauge, { collect: () => collect(gauge) });
}

export function bufferedBytes(connections: ReadonlySet<Connection>): number {
  let bytes = 0;
  for (const connection of connections) bytes += connection.bufferedBytes();
  return bytes;
}
