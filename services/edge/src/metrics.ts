import { Counter, Gauge, Registry } from "prom-client";

/** The edge's counters. No label says who: the number of series does not depend on the users. */
export interface EdgeMetrics {
  readonly registry: Registry;
  readonly closes: Counter<"code">;
  readonly connections: Gauge;
  readonly deliveries: Counter;
  readonly errors: Counter<"code">;
  readonly gaps: Counter<"reason">;
  readonly lagging: Counter;
  readonly publishes: Counter;
  readonly recordsRefused: Counter<"why">;
  readonly recordsSkipped: Counter;
  readonly subscriptions: Gauge;
}

export function createMetrics(): EdgeMetrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers });
  const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers });
  return {
    registry,
    closes: new Counter({
      name: "millrace_closes_total",
      help: "WebSockets that ended, by the close code given; peer: not by this edge",
      labelNames: ["code"],
      registers,
    }),
    connections: gauge("millrace_connections", "Open WebSockets"),
    deliveries: counter("millrace_deliveries_total", "Live messages queued to subscribers"),
    errors: new Counter({
      name: "millrace_errors_total",
      help: "Requests refused, by code",
      labelNames: ["code"],
      registers,
    }),
    gaps: new Counter({
      name: "millrace_gaps_total",
      help: "Gaps told to subscribers, by reason",
      labelNames: ["reason"],
      registers,
    }),
    lagging: counter("millrace_lagging_total", "Times a live subscriber fell behind"),
    publishes: counter("millrace_publishes_total", "Publishes acknowledged"),
    recordsRefused: new Counter({
      name: "millrace_records_refused_total",
      help: "Publishes that the broker takes under no circumstances, by the setting that says so",
      labelNames: ["why"],
      registers,
    }),
    recordsSkipped: counter("millrace_records_skipped_total", "Records nobody can read"),
    subscriptions: gauge("millrace_subscriptions", "Subscriptions held"),
  };
}
