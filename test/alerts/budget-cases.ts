import type { AlertCase, Series, Situation } from "./rule-case.ts";

/** So many minutes in which this share of the events is bad. */
type Phase = readonly [share: number, minutes: number];

/** A counter that grows by what the share of a phase makes of so many events. */
type Counter = (eventsOf: (share: number) => number) => string;

const SAMPLES_PER_MINUTE = 2;

/** Of 30 s. */
const EVENTS = 10_000;

/** Windows of hours fill evenly: fewer steps show the same, but for what is counted in single events. */
const STEP = "150s";

const A = 'namespace="m",instance="a"';

const COUNTED: Readonly<Record<string, (counter: Counter) => Series>> = {
  connect: (counter) => ({
    [`millrace_handshakes_total{${A},status="101"}`]: counter((share) => 1 - share),
    [`millrace_handshakes_total{${A},status="503"}`]: counter((share) => share),
    // The client's fault, however many.
    [`millrace_handshakes_total{${A},status="401"}`]: counter(() => 1),
  }),
  publish: (counter) => ({
    [`millrace_publish_outcomes_total{${A},outcome="appended"}`]: counter((share) => 1 - share),
    [`millrace_publish_outcomes_total{${A},outcome="unknown"}`]: counter((share) => share),
    // What stands behind a failure fails with it, and is no failure of its own.
    [`millrace_publish_outcomes_total{${A},outcome="withdrawn"}`]: counter(() => 1),
  }),
  deliver: (counter) => ({
    [`millrace_delivery_seconds_bucket{${A},le="0.05"}`]: counter(() => 0),
    [`millrace_delivery_seconds_bucket{${A},le="0.1"}`]: counter((share) => 1 - share),
    [`millrace_delivery_seconds_bucket{${A},le="+Inf"}`]: counter(() => 1),
    [`millrace_delivery_seconds_count{${A}}`]: counter(() => 1),
  }),
};

/** The alerts on the budgets of all three promises, which are the same but for what is counted. */
export const BUDGET_CASES: readonly AlertCase[] = [
  ["Connect", "connect"] as const,
  ["Publish", "publish"] as const,
  ["Deliver", "deliver"] as const,
].flatMap(([name, slo]) => {
  const during = (...phases: Phase[]): Situation => ({
    ...situation(slo, phases, EVENTS),
    step: STEP,
  });
  const labels = { namespace: "m", slo };
  const fast = {
    alert: `Millrace${name}BurnsFast`,
    severity: "page",
    labels,
  } as const;
  const slow = { alert: `Millrace${name}BurnsSlowly`, severity: "ticket", labels } as const;
  return [
    {
      ...fast,
      fires: during([0, 300], [0.02, 50]),
      quiet: {
        "a share that a ticket is enough for": during([0.005, 75]),
        "trouble that is over": during([0, 300], [0.02, 50], [0, 10]),
        "one event of very few": situation(slo, [[0.5, 75]], 0.02),
      },
    },
    { ...fast, fires: during([0.007, 400]), quiet: {} },
    { ...slow, fires: during([0.0035, 150]), quiet: { less: during([0.0009, 500]) } },
    { ...slow, fires: during([0.0015, 500]), quiet: {} },
  ];
});

function situation(slo: string, phases: readonly Phase[], events: number): Situation {
  const counter: Counter = (eventsOf) => {
    let total = 0;
    const parts = phases.map(([share, minutes]) => {
      const each = events * eventsOf(share);
      const samples = minutes * SAMPLES_PER_MINUTE;
      const from = total;
      total += each * samples;
      return `${from}+${each}x${samples - 1}`;
    });
    return [...parts, total].join(" ");
  };
  const minutes = phases.reduce((sum, phase) => sum + phase[1], 0);
  return { series: COUNTED[slo]?.(counter) ?? {}, at: `${minutes}m` };
}
