import { Histogram, Registry } from "prom-client";
import { expect, it } from "vitest";
import { SECONDS_BUCKETS, SecondsHistogram, quantileMs } from "./seconds-histogram.ts";

it("The page says of it what it would say of the library's own histogram", async () => {
  const durationsMs = [-5, 0, 0.5, 0.6, 1, 7, 7, 7, 300, 9_999, 10_001, 60_000];
  const [ours, theirs] = [new Registry(), new Registry()];
  const names = { name: "some_seconds", help: "Some" };
  const histogram = new SecondsHistogram({ ...names, registry: ours });
  const buckets = [...SECONDS_BUCKETS];
  const library = new Histogram({ ...names, buckets, registers: [theirs] });
  for (const ms of durationsMs) {
    histogram.observe(ms, 3);
    for (let time = 0; time < 3; time++) library.observe(Math.max(0, ms) / 1_000);
  }
  expect(rounded(await ours.metrics())).toBe(rounded(await theirs.metrics()));
});

it("Quantiles are of what came between two looks, and right to the bucket", () => {
  const histogram = new SecondsHistogram({
    name: "some_seconds",
    help: "Some",
    registry: new Registry(),
  });
  histogram.observe(9_000, 1_000);
  const before = histogram.counts();
  const quantiles = (): (number | undefined)[] => {
    const now = histogram.counts();
    return [0.5, 0.99].map((quantile) => quantileMs(quantile, { before, now }));
  };
  expect(quantiles()).toEqual([undefined, undefined]);
  histogram.observe(7, 98);
  histogram.observe(300, 2);
  const [median = 0, late = 0] = quantiles();
  expect(median).toBeGreaterThan(5);
  expect(median).toBeLessThanOrEqual(10);
  expect(late).toBeGreaterThan(250);
  expect(late).toBeLessThanOrEqual(500);
  histogram.observe(60_000, 10_000);
  expect(quantiles()).toEqual([10_000, 10_000]);
});

/** Sums of floating point differ by the order in which they were added. */
function rounded(text: string): string {
  return text.replace(/(?<=_sum )[\d.]+/, (sum) => Number(sum).toFixed(6));
}
