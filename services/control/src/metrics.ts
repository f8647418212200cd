import { Gauge, Registry, collectDefaultMetrics } from "prom-client";

/**
 * Every metric of control's own. Edges are asked with an operator's token, and control has none: what
 * only they know is in their own metrics, and here only as somebody has last looked.
 */
export const CONTROL_METRICS = {
  kafkaUp: ["millrace_control_kafka_up", "1 while Kafka answers", []],
  topicProblems: [
    "millrace_control_topic_problems",
    "settings of the topic that can't keep a promise",
    ["topic"],
  ],
  underReplicated: [
    "millrace_control_partitions_under_replicated",
    "partitions of the messages with fewer replicas in sync than they have",
    [],
  ],
  leaderless: [
    "millrace_control_partitions_leaderless",
    "partitions of the messages that no broker leads",
    [],
  ],
  ownerless: [
    "millrace_control_partitions_ownerless",
    "partitions of the messages that no edge owns, as the group tells",
    [],
  ],
  certificateExpires: [
    "millrace_control_certificate_expires_seconds",
    "until the certificate ends that clients are shown at that address; negative once it has",
    ["address"],
  ],
  certificateProbe: [
    "millrace_control_certificate_probe_up",
    "1 where a certificate was shown when it was last looked for",
    ["address"],
  ],
  followers: ["millrace_control_followers", "pages and tools that follow the events", []],
  buildInfo: ["millrace_control_build_info", "1, for the version that runs", ["version", "node"]],
} as const satisfies Readonly<Record<string, readonly [string, string, readonly string[]]>>;

export type ControlMetrics = { readonly registry: Registry } & {
  readonly [Name in keyof typeof CONTROL_METRICS]: Gauge;
};

export function createControlMetrics(): ControlMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauges = Object.entries(CONTROL_METRICS).map(([key, [name, help, labels]]) => {
    const gauge = new Gauge({ name, help, labelNames: [...labels], registers: [registry] });
    return [key, gauge] as const;
  });
  return { ...(Object.fromEntries(gauges) as Omit<ControlMetrics, "registry">), registry };
}

/** Header and rows of the docs' table of the metrics. */
export function controlMetricRows(): string[][] {
  const rows = Object.values(CONTROL_METRICS).map(([name, meaning, labels]) => {
    return [`\`${name}\``, "gauge", labels.map((label) => `\`${label}\``).join(", "), meaning];
  });
  return [["metric", "type", "labels", "meaning"], ...rows];
}
