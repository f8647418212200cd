import { Counter, Gauge, Registry } from "prom-client";
import { SecondsHistogram } from "./watch/seconds-histogram.ts";

interface MetricShape<Kind extends "counter" | "gauge" | "histogram", Label extends string> {
  readonly kind: Kind;
  readonly name: string;
  /** One sentence without its full stop: for the page itself, and for the docs. */
  readonly meaning: string;
  readonly labels: readonly Label[];
}

/**
 * Every metric of the edge's own; `npm run check -- --write` puts it into docs/operations.md, and
 * the dashboard is compared with it. A label takes its values from a set that is known beforehand
 * (a code of a table, a partition): none says who, where from, or what a client wrote, so that the
 * number of series does not depend on the users.
 */
export const EDGE_METRICS = {
  connections: gauge("millrace_connections", "open WebSockets"),
  subscriptions: gauge("millrace_subscriptions", "subscriptions held"),
  handshakes: counter(
    "millrace_handshakes_total",
    "requests to connect, by the HTTP status they got; 101 is a connection",
    ["status"],
  ),
  closes: counter(
    "millrace_closes_total",
    "connections ended, by close code; `other` is any code that our table does not have",
    ["code"],
  ),
  errors: counter("millrace_errors_total", "requests refused, by the code of the table", ["code"]),
  limited: counter(
    "millrace_limited_total",
    "requests, frames and newcomers beyond a limit, by its name in the table of limits",
    ["limit"],
  ),
  memoryShare: gauge(
    "millrace_memory_share",
    "memory in use, as a share of what the process may have: resident, or V8's heap, whichever is more",
  ),
  publishes: counter("millrace_publishes_total", "publishes acknowledged"),
  publishOutcomes: counter(
    "millrace_publish_outcomes_total",
    "publishes that were allowed and well-formed, each try counted, by what became of them: `appended`, `refused` (by the broker, for a setting), `not-appended` and `unknown` (the log did not take it in time), and `withdrawn` for those behind one of these",
    ["outcome"],
  ),
  publishSeconds: histogram(
    "millrace_publish_seconds",
    "from the publish's frame to its acknowledgement",
  ),
  dedup: counter(
    "millrace_dedup_total",
    "publishes with a key, by what was found of it: `new`, `duplicate`, `unknown` (refused: nobody can say), and `waited` for those that had to wait for one of these",
    ["outcome"],
  ),
  recordsRefused: counter(
    "millrace_records_refused_total",
    "publishes that the broker takes under no circumstances, by the setting to look at",
    ["why"],
  ),
  writerInFlight: gauge(
    "millrace_writer_in_flight",
    "records that the log's writer has, and whose publish is not answered yet",
  ),
  deliveries: counter("millrace_deliveries_total", "live messages queued to subscribers"),
  deliverySeconds: histogram(
    "millrace_delivery_seconds",
    "from a record's append (the broker's clock) to the write to its subscribers' sockets (the edge's clock); each delivery counts",
  ),
  recordsSkipped: counter(
    "millrace_records_skipped_total",
    "records that are no messages of ours: unreadable (where somebody has subscribed), without a key, or in another partition than their key's",
  ),
  unreadable: counter(
    "millrace_unreadable_total",
    "what this edge ignored because it is of a version that it does not know, or nobody's: `relay` (pieces of owners), `member` (words of the group's members), `block`, `ticket` (values in Redis); records are counted above",
    ["what"],
  ),
  gaps: counter("millrace_gaps_total", "gaps told to subscribers", ["reason"]),
  lagging: counter("millrace_lagging_total", "times a live subscriber fell behind"),
  laggingNow: gauge("millrace_lagging", "subscribers that fell behind and have not caught up yet"),
  catchUps: gauge("millrace_catch_ups", "subscribers that are being fed from the log"),
  catchUpReads: counter(
    "millrace_catch_up_reads_total",
    "reads for resumes, history and slow readers, by what said where to read: `index`, or `scan` where the index does not know",
    ["by"],
  ),
  bufferedBytes: gauge(
    "millrace_buffered_bytes",
    "bytes that sockets have taken and the kernel has not, over all connections",
  ),
  tailLag: gauge(
    "millrace_tail_lag_records",
    "offsets between a tail and the end of its partition, as it last heard of it",
    ["partition"],
  ),
  tailLagSeconds: gauge(
    "millrace_tail_lag_seconds",
    "time since a tail was last at the end of its partition, as it last heard of it; 0 at the end",
    ["partition"],
  ),
  tailSilence: gauge(
    "millrace_tail_silence_seconds",
    "time since a tail last heard from its partition; a quiet one answers every 5 s",
    ["partition"],
  ),
  tailStalled: gauge(
    "millrace_tail_stalled_seconds",
    "time since a tail last moved, while its partition is known to go on; 0 for one that has everything",
    ["partition"],
  ),
  partitionsPaused: gauge(
    "millrace_partitions_paused",
    "partitions that operators have paused: their records are appended, and handed on to nobody",
  ),
  partitionsUnused: gauge(
    "millrace_partitions_unused",
    "partitions that were added to the topic and are not used; anything but 0 is an alarm",
  ),
  rulings: gauge("millrace_rulings", "rulings of operators that hold"),
  rulingsSilence: gauge(
    "millrace_rulings_silence_seconds",
    "time since the edge last heard from the topic of rulings; a quiet one answers every 5 s",
  ),
  deliveryMode: gauge(
    "millrace_delivery_mode",
    "partitions whose records come directly from the log, or by the relay",
    ["mode"],
  ),
  partitionOwned: gauge(
    "millrace_partition_owned",
    "1 for each partition that this edge owns: it commits how far it is, and relays it in relay mode",
    ["partition"],
  ),
  redisUp: gauge("millrace_redis_up", "1 while Redis answers"),
  redisRefusals: counter(
    "millrace_redis_refusals_total",
    "commands that Redis answered with an error: full, read-only, a right that is missing",
  ),
  cursorsPending: gauge(
    "millrace_cursors_pending",
    "acknowledged positions, one for each cursor, that wait for Redis",
  ),
  loopDelay: gauge(
    "millrace_loop_delay_seconds",
    "by how much the event loop was late since the last scrape: `0.5`, `0.99`, `max`",
    ["quantile"],
  ),
  loopUtilisation: gauge(
    "millrace_loop_utilisation",
    "share of the time since the last scrape in which the event loop was busy, 0 to 1",
  ),
  buildInfo: gauge("millrace_build_info", "1, for the version that runs", ["version", "node"]),
} as const;

type MetricTable = typeof EDGE_METRICS;

type MetricOf<Shape> =
  Shape extends MetricShape<"counter", infer Label>
    ? Counter<Label>
    : Shape extends MetricShape<"gauge", infer Label>
      ? Gauge<Label>
      : SecondsHistogram;

export type EdgeMetrics = { readonly registry: Registry } & {
  readonly [Name in keyof MetricTable]: MetricOf<MetricTable[Name]>;
};

export function createMetrics(): EdgeMetrics {
  const registry = new Registry();
  const entries = Object.entries(EDGE_METRICS).map(([key, shape]) => [
    key,
    metricOf(shape, registry),
  ]);
  return { ...(Object.fromEntries(entries) as Omit<EdgeMetrics, "registry">), registry };
}

/** Header and rows of the docs' table of the metrics. */
export function metricRows(): string[][] {
  const rows = Object.values(EDGE_METRICS).map(({ name, kind, labels, meaning }) => {
    return [`\`${name}\``, kind, labels.map((label) => `\`${label}\``).join(", "), meaning];
  });
  return [["metric", "type", "labels", "meaning"], ...rows];
}

function metricOf(shape: MetricTable[keyof MetricTable], registry: Registry) {
  const { name, kind, meaning: help, labels } = shape;
  const options = { name, help, labelNames: [...labels], registers: [registry] };
  switch (kind) {
    case "counter":
      return new Counter(options);
    case "gauge":
      return new Gauge(options);
    case "histogram":
      return new SecondsHistogram({ name, help, registry });
  }
}

function counter<Label extends string = never>(
  name: string,
  meaning: string,
  labels: readonly Label[] = [],
): MetricShape<"counter", Label> {
  return { kind: "counter", name, meaning, labels };
}

function gauge<Label extends string = never>(
  name: string,
  meaning: string,
  labels: readonly Label[] = [],
): MetricShape<"gauge", Label> {
  return { kind: "gauge", name, meaning, labels };
}

function histogram(name: string, meaning: string): MetricShape<"histogram", never> {
  return { kind: "histogram", name, meaning, labels: [] };
}
