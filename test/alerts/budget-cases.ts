import type { AlertCase, Situation } from "./rule-case.ts";

/** How the events of a promise are counted: so many of them and so many bad ones every 30 s. */
type Counted = (good: number, bad: number, samples: number) => Record<string, string>;

const SAMPLES_PER_MINUTE = 2;

/** Windows of hours fill evenly: fewer steps show the same, but for what is counted in single events. */
const STEP = "150s";

const COUNTED: Readonly<Record<"connect" | "publish" | "deliver", Counted>> = {
  connect: (good, bad, samples) => ({
    'millrace_handshakes_total{namespace="m",instance="a",status="101"}': `0+${good}x${samples}`,
    'millrace_handshakes_total{namespace="m",instance="a",status="503"}': `0+${bad}x${samples}`,
    // The client's fault, however many.
    'millrace_handshakes_total{namespace="m",instance="a",status="401"}': `0+${good}x${samples}`,
  }),
  publish: (good, bad, samples) => ({
    [`millrace_publish_outcomes_total{namespace="m",instance="a",outcome="appended"}`]: `0+${good}x${samples}`,
    [`millrace_publish_outcomes_total{namespace="m",instance="a",outcome="unknown"}`]: `0+${bad}x${samples}`,
    // What stands behind a failure fails with it, and is no failure of its own.
    [`millrace_publish_outcomes_total{namespace="m",instance="a",outcome="withdrawn"}`]: `0+${good}x${samples}`,
  }),
  deliver: (good, bad, samples) => ({
    'millrace_delivery_seconds_bucket{namespace="m",instance="a",le="0.05"}': `0x${samples}`,
    'millrace_delivery_seconds_bucket{namespace="m",instance="a",le="0.1"}': `0+${good}x${samples}`,
    'millrace_delivery_seconds_bucket{namespace="m",instance="a",le="+Inf"}': `0+${good + bad}x${samples}`,
    'millrace_delivery_seconds_count{namespace="m",instance="a"}': `0+${good + bad}x${samples}`,
  }),
};

/** The alerts on the budgets of all three promises, which are the same but for what is counted. */
export const BUDGET_CASES: readonly AlertCase[] = (
  [
    ["Connect", "connect"],
    ["Publish", "publish"],
    ["Deliver", "deliver"],
  ] as const
).flatMap(([name, slo]) => {
  const during = (share: number, minutes: number, perSample = 10_000): Situation => {
    const bad = perSample * share;
    const samples = minutes * SAMPLES_PER_MINUTE;
    const series = COUNTED[slo](perSample - bad, bad, samples);
    return { series, at: `${minutes}m`, ...(perSample >= 1 && { step: STEP }) };
  };
  const labels = { namespace: "m", slo };
  const fast: AlertCase = {
    alert: `Millrace${name}BurnsFast`,
    severity: "page",
    labels,
    fires: during(0.016, 75),
    quiet: {
      "a share that a ticket is enough for": during(0.005, 75),
      "one event of very few": during(0.5, 75, 0.02),
    },
  };
  const within6h: AlertCase = { ...fast, fires: during(0.007, 400), quiet: {} };
  const slowly: AlertCase = {
    alert: `Millrace${name}BurnsSlowly`,
    severity: "ticket",
    labels,
    fires: during(0.0035, 150),
    quiet: { "what the promise allows": during(0.0009, 500) },
  };
  const within3d: AlertCase = { ...slowly, fires: during(0.0015, 500), quiet: {} };
  return [fast, within6h, slowly, within3d];
});
