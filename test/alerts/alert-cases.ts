import { BUDGET_CASES } from "./budget-cases.ts";
import { LOG_CASES } from "./log-cases.ts";
import { RELAY_CASES } from "./relay-cases.ts";
import type { AlertCase } from "./rule-case.ts";
import { A, B, constant, situation, still } from "./situation.ts";

const M = 'namespace="m"';
const DAY_S = 86_400;

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
    alert: "MillraceCertificateUnseen",
    severity: "ticket",
    labels: { namespace: "m", address: ADDRESS },
    fires: constant(`millrace_control_certificate_probe_up{${M},address="${ADDRESS}"}`, 0, 60),
    quiet: {
      "a balancer that restarts": constant(
        `millrace_control_certificate_probe_up{${M},address="${ADDRESS}"}`,
        0,
        20,
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
