import { expect, test } from "vitest";
import type { Figures } from "../scenario/figures.ts";
import type { ScenarioResult } from "../scenario/measured.ts";
import { aimOutcomes } from "./aims.ts";
import { formatReport } from "./report.ts";
import { featureLines, featureRatios } from "./feature-ratios.ts";

const FIGURES: Figures = {
  seconds: 10,
  publishesPerS: 500,
  acknowledgedPerS: 500,
  deliveriesPerS: 5_000,
  p50Ms: 3,
  p99Ms: 9,
  maxMs: 20,
  ackP50Ms: 2,
  ackP99Ms: 8,
  edgeCpu: 0.05,
  kafkaCpu: 0.2,
  redisCpu: 0,
  loadCpu: 0.1,
  edgeResidentMb: 150,
  kafkaResidentMb: 400,
  cpuUsPerDelivery: 10,
  deliveriesPerEdgeCore: 100_000,
  cpuUsPerPublish: 100,
  lateP99Ms: 1,
  loadDelayP99Ms: 1,
  otherCoreBusy: 0.3,
  foreignCpu: 0,
  errors: 0,
  firstError: undefined,
  brokenPrevs: 0,
  closes: 0,
  loadLimit: undefined,
};

function result(scenario: string, parts: Partial<ScenarioResult> = {}): ScenarioResult {
  return { scenario, variant: "as it comes", more: {}, notes: [], ...parts };
}

test("an aim is judged by the run's own floor, and not at all where something was not measured", () => {
  const chat = result("chat", { figures: FIGURES });
  const floor = result("floor-log", { more: { "round trip p50 ms": 2.5 } });
  const aims = aimOutcomes([floor, chat]);
  expect(aims).toEqual([
    {
      aim: "chat: p50 at most 1 ms above the raw round trip's",
      measured: "0.5 ms above",
      isMet: true,
    },
    { aim: "chat: at most 20 µs CPU of the edge per delivery", measured: "10 µs", isMet: true },
  ]);
  const slower = result("floor-log", { more: { "round trip p50 ms": 1 } });
  expect(aimOutcomes([slower, chat])[0]).toMatchObject({ isMet: false });
  expect(aimOutcomes([floor])).toEqual([]);
});

test("the report tells what floors and other environments make of it", () => {
  const floor = result("floor-uws-chat", { figures: { ...FIGURES, cpuUsPerDelivery: 4 } });
  const chat = result("chat", { figures: FIGURES, notes: ["the load side is the limit: …"] });
  const figures = { ...FIGURES, cpuUsPerDelivery: 15, p50Ms: 6 };
  const other = result("chat", { variant: "debug", figures });
  const machine = {
    cpu: "cpu",
    cores: 2,
    memoryGb: 8,
    kernel: "6",
    node: "v20",
    kafka: "4",
    redis: "8",
    pinned: "nobody",
    edgeRunsBy: "tsx",
  };
  const run = { command: "npm run bench --", startedAt: "now", machine };
  const report = formatReport({ ...run, results: [floor, chat, other] });
  expect(report).toContain("chat: CPU per delivery × 2.5 of floor-uws-chat");
  expect(report).toContain("CPU per delivery × 1.50, p50 × 2.00, p99 × 1.00");
  expect(report).toContain("chat (as it comes): the load side is the limit");
});

test("each feature stands beside the run without it, and in the file as in the table", () => {
  const plain = result("features-plain", { figures: FIGURES });
  const figures = { ...FIGURES, cpuUsPerDelivery: 12, ackP50Ms: FIGURES.ackP50Ms * 2 };
  const keys = result("features-keys", { figures });
  const compression = result("features-compression", { more: { "CPU, ratio": 1.8 } });
  const other = result("features-keys", { variant: "debug", figures });
  const ratios = featureRatios([plain, keys, compression, other, result("chat", { figures })]);
  expect(ratios).toEqual([
    { feature: "keys", cpuPerDelivery: 1.2, p50: 1, p99: 1, ackP50: 2 },
    { feature: "compression", cpuPerDelivery: 1.8 },
  ]);
  expect(featureLines([plain, keys, compression])).toEqual([
    "cost of keys: CPU per delivery × 1.20, p50 × 1.00, p99 × 1.00, pubd p50 × 2.00",
    "cost of compression: CPU per delivery × 1.80",
  ]);
});
