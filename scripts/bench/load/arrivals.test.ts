import { seededRandom } from "@millrace/runtime";
import { expect, test } from "vitest";
import { Arrivals } from "./arrivals.ts";

function timesOf(seed: number, untilUs: number): number[] {
  const arrivals = new Arrivals({ perS: 1_000, startUs: 0, random: seededRandom(seed) });
  const times: number[] = [];
  for (;;) {
    const at = arrivals.due(untilUs);
    if (at === undefined) return times;
    times.push(at);
  }
}

test("the arrivals of a seed are always the same, and those of another seed are others", () => {
  expect(timesOf(1, 1e6)).toEqual(timesOf(1, 1e6));
  expect(timesOf(1, 1e6)).not.toEqual(timesOf(2, 1e6));
});

test("arrivals keep their rate and are spread as a Poisson process is", () => {
  const times = timesOf(3, 100e6);
  expect(times.length / 100).toBeGreaterThan(980);
  expect(times.length / 100).toBeLessThan(1_020);
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
  // The deviation of an exponential distribution is its mean.
  expect(Math.sqrt(variance) / mean).toBeCloseTo(1, 1);
});
