import { BUDGET_CASES } from "./budget-cases.ts";
import type { AlertCase, Series, Situation } from "./rule-case.ts";

const M = 'namespace="m"';
const A = `${M},instance="a"`;
const B = `${M},instance="b"`;
const DAY_S = 86_400;

/** One series that stands still. */
function constant(series: string, value: number, minutes = 30): Situation {
  return { series: { [series]: still(value, minutes) }, at: `${minutes}m` };
}

function still(value: number, minutes = 30): string {
  return `${value}x${minutes * 2}`;
}

function situation(series: Series, at = "30m"): Situation {
  return { series, at };
}

/** Two edges that relay: `a` owns partition 0, `b` partition 1; `series` are added, or instead. */
function relaying(series: Series): Situation {
  return situation({
    [`millrace_delivery_mode{${A},mode="direct"}`]: still(1),
    [`millrace_delivery_mode{${A},mode="relay"}`]: still(1),
    [`millrace_delivery_mode{${B},mode="direct"}`]: still(1),
    [`millrace_delivery_mode{${B},mode="relay"}`]: still(1),
    [`millrace_partition_owned{${A},partition="0"}`]: still(1),
    [`millrace_partition_owned{${B},partition="1"}`]: still(1),
    [`millrace_tail_silence_seconds{${A},partition="0"}`]: still(1),
    [`millrace_tail_silence_seconds{${A},partition="1"}`]: still(1),
    ...series,
  });
}

const LOG_CASES: readonly AlertCase[] = [
  {
    alert: "MillraceKafkaSilent",
    severity: "page",
    labels: { namespace: "m", instance: "a" },
    fires: situation({
      [`millrace_tail_silence_seconds{${A},partition="0"}`]: still(20),
      [`millrace_tail_silence_seconds{${A},partition="1"}`]: still(25),
    }),
    quiet: {
      "partitions where nothing is said": situation({
        [`millrace_tail_silence_seconds{${A},partition="0"}`]: "0 2 4 1 3 5x60",
        [`millrace_tail_silence_seconds{${A},partition="1"}`]: still(14),
      }),
    },
  },
  {
    alert: "MillraceTailSilent",
    severity: "page",
    labels: { namespace: "m", partition: "1" },
    fires: situation({
      [`millrace_tail_silence_seconds{${A},partition="0"}`]: still(1),
      [`millrace_tail_silence_seconds{${A},partition="1"}`]: still(40),
    }),
    quiet: {
      "a Kafka that is away altogether": situation({
        [`millrace_tail_silence_seconds{${A},partition="0"}`]: still(40),
        [`millrace_tail_silence_seconds{${A},partition="1"}`]: still(40),
      }),
      "a leader that moves": situation({
        [`millrace_tail_silence_seconds{${A},partition="0"}`]: still(1),
        [`millrace_tail_silence_seconds{${A},partition="1"}`]: "1x54 29 5 1x10",
      }),
    },
  },
  {
    alert: "MillraceTailStalled",
    severity: "page",
    labels: { namespace: "m", partition: "3" },
    fires: constant(`millrace_tail_stalled_seconds{${A},partition="3"}`, 11),
    quiet: {
      "one that was put right": situation({
        [`millrace_tail_stalled_seconds{${A},partition="3"}`]: "0x57 15 0x10",
      }),
      "just not so long": constant(`millrace_tail_stalled_seconds{${A},partition="3"}`, 10),
    },
  },
  {
    alert: "MillraceTailBehind",
    severity: "page",
    labels: { namespace: "m", partition: "3" },
    fires: situation({
      [`millrace_tail_lag_seconds{${A},partition="3"}`]: still(0),
      [`millrace_tail_lag_seconds{${B},partition="3"}`]: still(11),
    }),
    quiet: {
      "just not so far": constant(`millrace_tail_lag_seconds{${A},partition="3"}`, 10),
      "an edge that starts": situation({
        [`millrace_tail_lag_seconds{${A},partition="3"}`]: "_x56 40 0x10",
      }),
    },
  },
  {
    alert: "MillraceLogLost",
    severity: "ticket",
    labels: { namespace: "m", reason: "truncated" },
    // The series is there from the first one on.
    fires: situation({ [`millrace_gaps_total{${A},reason="truncated"}`]: "_x55 1x10" }),
    quiet: {
      "long ago": constant(`millrace_gaps_total{${A},reason="truncated"}`, 7),
      "what retention has passed": situation({
        [`millrace_gaps_total{${A},reason="expired"}`]: "0+5x70",
      }),
    },
  },
  {
    alert: "MillraceRecordsRefused",
    severity: "ticket",
    labels: { namespace: "m", why: "max.message.bytes" },
    fires: situation({
      [`millrace_records_refused_total{${A},why="max.message.bytes"}`]: "0+1x70",
    }),
    quiet: {
      "none for long": constant(`millrace_records_refused_total{${A},why="max.message.bytes"}`, 12),
      "a single one": situation({
        [`millrace_records_refused_total{${A},why="max.message.bytes"}`]: "0x40 1x30",
      }),
    },
  },
  {
    alert: "MillracePartitionsAdded",
    severity: "page",
    labels: { namespace: "m" },
    fires: constant(`millrace_partitions_unused{${A}}`, 12),
    quiet: { "none added": constant(`millrace_partitions_unused{${A}}`, 0) },
  },
  {
    alert: "MillraceTopicSettings",
    severity: "ticket",
    labels: { namespace: "m", topic: "chat.messages" },
    fires: constant(`millrace_control_topic_problems{${M},topic="chat.messages"}`, 1),
    quiet: {
      "all as promised": constant(`millrace_control_topic_problems{${M},topic="chat.messages"}`, 0),
    },
  },
  {
    alert: "MillraceRulingsSilent",
    severity: "page",
    labels: { namespace: "m", instance: "a" },
    fires: situation({
      [`millrace_rulings_silence_seconds{${A}}`]: still(31),
      [`millrace_tail_silence_seconds{${A},partition="0"}`]: still(1),
    }),
    quiet: {
      "no rulings to hear of": constant(`millrace_rulings_silence_seconds{${A}}`, 6),
      "a Kafka that is away altogether": situation({
        [`millrace_rulings_silence_seconds{${A}}`]: still(40),
        [`millrace_tail_silence_seconds{${A},partition="0"}`]: still(40),
      }),
    },
  },
];

const RELAY_CASES: readonly AlertCase[] = [
  {
    alert: "MillraceDirectTooLong",
    severity: "ticket",
    labels: { namespace: "m", instance: "b" },
    fires: relaying({ [`millrace_delivery_mode{${B},mode="direct"}`]: still(2) }),
    quiet: {
      "owners, who read what they own": relaying({}),
      "a loss that was bridged": relaying({
        [`millrace_delivery_mode{${B},mode="direct"}`]: "1x30 2x20 1x20",
      }),
      "a fleet that reads directly": situation({
        [`millrace_delivery_mode{${A},mode="direct"}`]: still(12),
      }),
    },
  },
  {
    alert: "MillracePartitionWithoutOwner",
    severity: "ticket",
    labels: { namespace: "m", partition: "1" },
    fires: relaying({ [`millrace_partition_owned{${B},partition="1"}`]: "1x40 stale" }),
    quiet: {
      "a partition that moves": relaying({
        [`millrace_partition_owned{${B},partition="1"}`]: "1x56 stale _ 1x10",
      }),
      "a fleet that reads directly": situation({
        [`millrace_delivery_mode{${A},mode="direct"}`]: still(12),
        [`millrace_tail_silence_seconds{${A},partition="0"}`]: still(1),
      }),
    },
  },
  {
    alert: "MillracePartitionOwnedTwice",
    severity: "ticket",
    labels: { namespace: "m", partition: "1" },
    fires: relaying({ [`millrace_partition_owned{${A},partition="1"}`]: still(1) }),
    quiet: {
      "a partition that is handed over": relaying({
        [`millrace_partition_owned{${A},partition="1"}`]: "_x54 1x3 stale",
      }),
    },
  },
  {
    alert: "MillraceRedisDown",
    severity: "ticket",
    labels: { namespace: "m", instance: "a" },
    fires: situation({ [`millrace_redis_up{${A}}`]: "1x40 0x30" }),
    quiet: { "a blink": situation({ [`millrace_redis_up{${A}}`]: "1x57 0x2 1x10" }) },
  },
  {
    alert: "MillraceRedisRefuses",
    severity: "ticket",
    labels: { namespace: "m", instance: "a" },
    fires: situation({ [`millrace_redis_refusals_total{${A}}`]: "0+2x70" }),
    quiet: { "none for long": constant(`millrace_redis_refusals_total{${A}}`, 5) },
  },
];

const EDGE_CASES: readonly AlertCase[] = [
  {
    alert: "MillraceNoEdge",
    severity: "page",
    labels: {},
    fires: situation({ [`up{${A},job="edge"}`]: "1x40 0x30" }),
    quiet: {
      "one that is left": situation({
        [`up{${A},job="edge"}`]: "1x40 0x30",
        [`up{${B},job="edge"}`]: still(1),
      }),
    },
  },
  {
    alert: "MillraceEdgeDown",
    severity: "ticket",
    labels: { namespace: "m", instance: "a", job: "edge" },
    fires: situation({ [`up{${A},job="edge"}`]: "1x40 0x30" }),
    quiet: {
      "one that is replaced": situation({ [`up{${A},job="edge"}`]: "1x56 0x3 1x10" }),
      "another job": constant(`up{${A},job="node"}`, 0),
    },
  },
  {
    alert: "MillraceVersionsMixed",
    severity: "ticket",
    labels: { namespace: "m" },
    fires: situation(
      {
        [`millrace_build_info{${A},version="1.0.0",node="v24"}`]: still(1, 150),
        [`millrace_build_info{${B},version="1.1.0",node="v24"}`]: still(1, 150),
      },
      "150m",
    ),
    quiet: {
      "a rollout of an hour": situation(
        {
          [`millrace_build_info{${A},version="1.0.0",node="v24"}`]: "1x200 stale",
          [`millrace_build_info{${B},version="1.1.0",node="v24"}`]: "_x80 1x220",
        },
        "150m",
      ),
      "two releases of Node": situation(
        {
          [`millrace_build_info{${A},version="1.0.0",node="v22"}`]: still(1, 150),
          [`millrace_build_info{${B},version="1.0.0",node="v24"}`]: still(1, 150),
        },
        "150m",
      ),
    },
  },
  {
    alert: "MillraceMemoryHigh",
    severity: "ticket",
    labels: { namespace: "m", instance: "a" },
    fires: constant(`millrace_memory_share{${A}}`, 0.86),
    quiet: {
      "a fleet that is well used": constant(`millrace_memory_share{${A}}`, 0.84),
      "a peak": situation({ [`millrace_memory_share{${A}}`]: "0.5x50 0.89x9 0.5x10" }),
    },
  },
  {
    alert: "MillraceDescriptorsLow",
    severity: "ticket",
    labels: { namespace: "m", instance: "a", job: "edge" },
    fires: situation({
      [`process_open_fds{${A},job="edge"}`]: still(940),
      [`process_max_fds{${A},job="edge"}`]: still(1_024),
    }),
    quiet: {
      "a process that is not ours": situation({
        [`process_open_fds{${A},job="node"}`]: still(1_000),
        [`process_max_fds{${A},job="node"}`]: still(1_024),
      }),
      "a fleet that is well used": situation({
        [`process_open_fds{${A},job="edge"}`]: still(900),
        [`process_max_fds{${A},job="edge"}`]: still(1_024),
      }),
    },
  },
  {
    alert: "MillraceNewcomersRefused",
    severity: "ticket",
    labels: { namespace: "m", limit: "connections" },
    fires: situation({ [`millrace_limited_total{${A},limit="connections"}`]: "0+10x70" }),
    quiet: {
      "one who asks too often": situation({
        [`millrace_limited_total{${A},limit="connectionsPerUser"}`]: "0+100x70",
        [`millrace_limited_total{${A},limit="publishes"}`]: "0+100x70",
      }),
      "a rush that is over soon": situation({
        [`millrace_limited_total{${A},limit="handshakes"}`]: "0x46 0+100x6 600x20",
      }),
    },
  },
  {
    alert: "MillraceReconnectStorm",
    severity: "page",
    labels: { namespace: "m" },
    fires: situation({
      [`millrace_connections{${A}}`]: still(1_000),
      [`millrace_handshakes_total{${A},status="101"}`]: "0+10x46 500+500x20",
    }),
    quiet: {
      "everybody once, at a roll": situation({
        [`millrace_connections{${A}}`]: still(1_000),
        [`millrace_handshakes_total{${A},status="101"}`]: "0+10x46 500+150x10 2010+10x10",
      }),
      "clients that always come and go": situation({
        [`millrace_connections{${A}}`]: still(100),
        [`millrace_handshakes_total{${A},status="101"}`]: "0+100x70",
      }),
      "a few bots in an empty fleet": situation({
        [`millrace_connections{${A}}`]: still(2),
        [`millrace_handshakes_total{${A},status="101"}`]: "0x50 0+5x10",
      }),
    },
  },
  {
    alert: "MillraceLoopLate",
    severity: "ticket",
    labels: { namespace: "m", instance: "a" },
    fires: constant(`millrace_loop_delay_seconds{${A},quantile="0.99"}`, 0.11),
    quiet: {
      "a busy edge": constant(`millrace_loop_delay_seconds{${A},quantile="0.99"}`, 0.09),
      "one long turn": constant(`millrace_loop_delay_seconds{${A},quantile="max"}`, 2),
    },
  },
];

const ADDRESS = "wss://chat.example.com";

const CONTROL_CASES: readonly AlertCase[] = [
  {
    alert: "MillraceCertificateExpires",
    severity: "page",
    labels: { namespace: "m", address: ADDRESS },
    fires: constant(
      `millrace_control_certificate_expires_seconds{${M},address="${ADDRESS}"}`,
      2 * DAY_S - 1,
    ),
    quiet: {
      "two days left": constant(
        `millrace_control_certificate_expires_seconds{${M},address="${ADDRESS}"}`,
        2 * DAY_S,
      ),
    },
  },
  {
    alert: "MillraceCertificateExpiresSoon",
    severity: "ticket",
    labels: { namespace: "m", address: ADDRESS },
    fires: constant(
      `millrace_control_certificate_expires_seconds{${M},address="${ADDRESS}"}`,
      14 * DAY_S - 1,
      90,
    ),
    quiet: {
      "two weeks left": constant(
        `millrace_control_certificate_expires_seconds{${M},address="${ADDRESS}"}`,
        14 * DAY_S,
        90,
      ),
    },
  },
  {
    alert: "MillraceControlDown",
    severity: "ticket",
    labels: { namespace: "m", instance: "c", job: "control" },
    fires: situation({ [`up{${M},instance="c",job="control"}`]: "1x30 0x40" }),
    quiet: {
      "one that is replaced": situation({
        [`up{${M},instance="c",job="control"}`]: "1x45 0x10 1x10",
      }),
    },
  },
];

/** At least one for each alert of infra/prometheus/alert-rules.yaml. */
export const ALERT_CASES: readonly AlertCase[] = [
  ...BUDGET_CASES,
  ...LOG_CASES,
  ...RELAY_CASES,
  ...EDGE_CASES,
  ...CONTROL_CASES,
];
