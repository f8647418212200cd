import { Histogram, Registry } from "prom-client";
import { expect, it } from "vitest";
import { SECONDS_BUCKETS, SecondsHistogram } from "./seconds-histogram.ts";

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

/** Sums of floating point differ by the order in which they were added. */
function rounded(text: string): string {
  return text.replace(/(?<=_sum )[\d.]+/, (sum) => Number(sum).toFixed(6));
}
