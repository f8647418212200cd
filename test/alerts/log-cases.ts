import type { AlertCase } from "./rule-case.ts";
import { A, B, constant, situation, still } from "./situation.ts";

const M = 'namespace="m"';

/** Of the group millrace-log. */
export const LOG_CASES: readonly AlertCase[] = [
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
    alert: "MillracePartitionLeaderless",
    severity: "page",
    labels: { namespace: "m" },
    fires: constant(`millrace_control_partitions_leaderless{${M}}`, 1),
    quiet: {
      "an election": situation({
        [`millrace_control_partitions_leaderless{${M}}`]: "0x57 3 0x10",
      }),
    },
  },
  {
    alert: "MillraceUnderReplicated",
    severity: "ticket",
    labels: { namespace: "m" },
    fires: constant(`millrace_control_partitions_under_replicated{${M}}`, 4),
    quiet: {
      "a broker that restarts": situation({
        [`millrace_control_partitions_under_replicated{${M}}`]: "0x40 12x10 0x20",
      }),
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
