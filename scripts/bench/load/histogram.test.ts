import { seededRandom } from "@millrace/runtime";
import { expect, test } from "vitest";
import { Histogram } from "./histogram.ts";

test("a percentile is at most 1.6 % above the true one, over six orders of magnitude", () => {
  const random = seededRandom(7);
  const values = Array.from({ length: 20_000 }, () => Math.ceil(10 ** (random() * 7)));
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  const sorted = values.toSorted((a, b) => a - b);
  for (const share of [0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
    const truth = sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
    const told = histogram.quantile(share);
    expect(told).toBeGreaterThanOrEqual(truth);
    expect(told).toBeLessThanOrEqual(truth * 1.016 + 1);
  }
});

test("histograms of several processes together tell what one of all values would", () => {
  const whole = new Histogram();
  const sum = new Histogram();
  for (const start of [0, 5_000, 90_000]) {
    const part = new Histogram();
    for (let value = start; value < start + 1_000; value++) {
      part.record(value);
      whole.record(value);
    }
    sum.merge(part.take());
    expect(part.count).toBe(0);
  }
  expect(sum.count).toBe(3_000);
  for (const share of [0.2, 0.5, 0.99]) expect(sum.quantile(share)).toBe(whole.quantile(share));
});

test("without a value there is no percentile", () => {
  expect(new Histogram().quantile(0.5)).toBeNaN();
});
