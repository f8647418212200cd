import { FakeClock } from "@millrace/testkit";
import { beforeEach, expect, it } from "vitest";
import { type EdgeMetrics, createMetrics } from "../metrics.ts";
import { RecentRates } from "./recent-rates.ts";

let clock: FakeClock;
let metrics: EdgeMetrics;
let records: number[];
let rates: RecentRates;

beforeEach(() => {
  clock = new FakeClock();
  metrics = createMetrics();
  records = [0, 0];
  rates = new RecentRates({ clock, metrics, records: () => [...records] });
  rates.start();
});

/** Each second of it as many of everything. */
async function pass(seconds: number, perSec: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    metrics.publishes.inc(perSec);
    metrics.deliveries.inc(2 * perSec);
    metrics.handshakes.inc({ status: "101" }, perSec);
    metrics.handshakes.inc({ status: "503" }, perSec);
    metrics.publishSeconds.observe(7, perSec);
    metrics.deliverySeconds.observe(70, perSec);
    records[1] = (records[1] ?? 0) + perSec;
    await clock.advance(1_000);
  }
}

it("A rate is of the last ten seconds alone, and so is a latency", async () => {
  await pass(100, 1_000);
  await pass(11, 40);
  const recent = await rates.recent();
  const { rates: told, publishLatency, deliveryLatency } = recent;
  expect(told).toEqual({ publishesPerSec: 40, deliveriesPerSec: 80, handshakesPerSec: 80 });
  expect([0, 1, 2].map((partition) => recent.recordsPerSec(partition))).toEqual([0, 40, 0]);
  expect(publishLatency?.p50Ms).toBeGreaterThan(5);
  expect(publishLatency?.p99Ms).toBeLessThanOrEqual(10);
  expect(deliveryLatency?.p50Ms).toBeGreaterThan(50);
  await clock.advance(11_000);
  const quiet = await rates.recent();
  expect(quiet.rates).toEqual({ publishesPerSec: 0, deliveriesPerSec: 0, handshakesPerSec: 0 });
  expect([quiet.publishLatency, quiet.deliveryLatency]).toEqual([null, null]);
});

it("A loop that was late makes no rate higher, nor does a start", async () => {
  metrics.publishes.inc(3);
  expect((await rates.recent()).rates.publishesPerSec).toBeLessThanOrEqual(3);
  await pass(20, 10);
  // For that long nobody looks at the counters, which go on.
  clock.freeze(30_000);
  metrics.publishes.inc(300);
  const { rates: told } = await rates.recent();
  expect(told.publishesPerSec).toBeGreaterThan(9);
  expect(told.publishesPerSec).toBeLessThanOrEqual(10);
});

it("Nobody looks at the counters any more once it was stopped", async () => {
  rates.stop();
  metrics.publishes.inc(10);
  await clock.advance(60_000);
  expect((await rates.recent()).rates.publishesPerSec).toBeCloseTo(10 / 60);
});
