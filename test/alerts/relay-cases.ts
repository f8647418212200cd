import type { AlertCase, Series, Situation } from "./rule-case.ts";
import { A, B, constant, situation, still } from "./situation.ts";

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

/** Of the group millrace-relay. */
export const RELAY_CASES: readonly AlertCase[] = [
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
