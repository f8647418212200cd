import { describe, expect, it } from "vitest";
import { ALERT_CASES } from "./alert-cases.ts";
import { dashboardQueries } from "./dashboard-queries.ts";
import { ordinaryDay } from "./ordinary-day.ts";
import {
  type Question,
  alertNames,
  ask,
  checkExpressions,
  checkRules,
  hasPromtool,
} from "./promtool.ts";
import type { AlertCase, Situation } from "./rule-case.ts";

const HAS_PROMTOOL = hasPromtool();
if (!HAS_PROMTOOL) {
  process.stdout.write("skipped: no promtool on the PATH (Debian: the package prometheus)\n");
}

/** Whether an alert fires in a situation, and with which labels. */
function question(
  { alert, severity, labels }: AlertCase,
  now: Situation,
  fires: boolean,
): Question {
  const all = { alertname: alert, alertstate: "firing", ...labels, severity };
  const pairs = Object.entries(all).map(([name, value]) => `${name}="${value}"`);
  return {
    ...now,
    expression: `ALERTS{alertname="${alert}",alertstate="firing"}`,
    answer: fires ? { [`ALERTS{${pairs.join(",")}}`]: 1 } : {},
  };
}

/** Everything that is asked of one alert. */
function questionsOf(alert: string): Question[] {
  return ALERT_CASES.filter((one) => one.alert === alert).flatMap((one) => [
    question(one, one.fires, true),
    ...Object.values(one.quiet).map((now) => question(one, now, false)),
  ]);
}

it("Every alert has a case in which it fires, and one in which it does not", () => {
  const fired = new Set(ALERT_CASES.map(({ alert }) => alert));
  const cases = ALERT_CASES.filter(({ quiet }) => Object.keys(quiet).length > 0);
  const silent = new Set(cases.map(({ alert }) => alert));
  expect([...fired].toSorted()).toEqual(alertNames().toSorted());
  expect([...silent].toSorted()).toEqual(alertNames().toSorted());
});

describe.skipIf(!HAS_PROMTOOL)("as Prometheus evaluates them", () => {
  it("The rules are such that Prometheus takes them", async () => {
    expect(await checkRules()).toBe("");
  });

  it("The dashboards ask what Prometheus can answer", async () => {
    expect(await checkExpressions(dashboardQueries())).toBe("");
  });

  it.each(alertNames())("%s fires for what it is for, and for nothing less", async (alert) => {
    expect(await ask(questionsOf(alert), alert)).toBe("");
  });

  it("No alert fires on an ordinary day with a rolling restart", async () => {
    const day = ordinaryDay();
    const expression = `count_over_time(ALERTS{alertstate="firing"}[${day.at}])`;
    expect(await ask([{ ...day, expression, answer: {} }])).toBe("");
  });

  it("The budget that is left is what the bad events have not used up", async () => {
    const at = "100m";
    const series = {
      'millrace_handshakes_total{namespace="m",status="101"}': "0+9995x200",
      'millrace_handshakes_total{namespace="m",status="503"}': "0+5x200",
    };
    const record = "millrace:slo_budget_left:ratio30d";
    const expression = `round(${record}{slo="connect"}, 0.01)`;
    const answer = { '{namespace="m",slo="connect"}': 0.5 };
    expect(await ask([{ series, at, expression, answer }], record)).toBe("");
  });
});
