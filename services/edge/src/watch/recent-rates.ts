import type { Clock, Timer } from "@millrace/runtime";
import type { LatencyReport, RateReport } from "@millrace/schemas";
import type { Counter } from "prom-client";
import type { EdgeMetrics } from "../metrics.ts";
import { quantileMs } from "./seconds-histogram.ts";

export interface RecentRatesOptions {
  readonly clock: Clock;
  readonly metrics: Pick<
    EdgeMetrics,
    "publishes" | "deliveries" | "handshakes" | "publishSeconds" | "deliverySeconds"
  >;
  /** How many records of each partition were handed on since the start. */
  readonly records: () => readonly number[];
}

export interface Recent {
  readonly rates: RateReport;
  readonly publishLatency: LatencyReport | null;
  readonly deliveryLatency: LatencyReport | null;
  recordsPerSec(partition: number): number;
}

/** What the counters said at one moment. */
interface Sample {
  readonly atMs: number;
  readonly publishes: number;
  readonly deliveries: number;
  readonly handshakes: number;
  readonly publishSeconds: Float64Array;
  readonly deliverySeconds: Float64Array;
  readonly records: readonly number[];
}

const TICK_MS = 1_000;
const SAMPLES = 10;

/**
 * What happened over the last ten seconds: counters and histograms that are there anyway are looked
 * at once a second, and the oldest of ten looks is taken from the present one. So a message costs
 * nothing more, and nothing grows. By how much time is divided is measured, so that a loop which was
 * late changes no rate.
 */
export class RecentRates {
  readonly #options: RecentRatesOptions;
  readonly #samples: Sample[] = [];
  #timer: Timer | undefined;

  constructor(options: RecentRatesOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#keep();
    this.#timer = this.#options.clock.after(TICK_MS, () => this.start());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  async recent(): Promise<Recent> {
    const now = await this.#sample();
    const before = this.#samples[0] ?? now;
    // Right after the start a single message must not look like a hundred in a second.
    const seconds = Math.max(TICK_MS, now.atMs - before.atMs) / 1_000;
    return {
      rates: {
        publishesPerSec: (now.publishes - before.publishes) / seconds,
        deliveriesPerSec: (now.deliveries - before.deliveries) / seconds,
        handshakesPerSec: (now.handshakes - before.handshakes) / seconds,
      },
      publishLatency: latency(before.publishSeconds, now.publishSeconds),
      deliveryLatency: latency(before.deliverySeconds, now.deliverySeconds),
      recordsPerSec: (partition) =>
        ((now.records[partition] ?? 0) - (before.records[partition] ?? 0)) / seconds,
    };
  }

  /** Never rejects. */
  async #keep(): Promise<void> {
    this.#samples.push(await this.#sample());
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  async #sample(): Promise<Sample> {
    const { clock, metrics, records } = this.#options;
    const { publishes, deliveries, handshakes, publishSeconds, deliverySeconds } = metrics;
    const atMs = clock.nowMs();
    const histograms = {
      publishSeconds: publishSeconds.counts(),
      deliverySeconds: deliverySeconds.counts(),
    };
    const now = { atMs, ...histograms, records: records() };
    // The library answers with a promise, though nothing is waited for.
    const counters = [publishes, deliveries, handshakes].map((counter) => total(counter));
    const [published = 0, delivered = 0, shaken = 0] = await Promise.all(counters);
    return { ...now, publishes: published, deliveries: delivered, handshakes: shaken };
  }
}

/** Over all its labels. */
async function total(counter: Pick<Counter, "get">): Promise<number> {
  const { values } = await counter.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}

function latency(before: Float64Array, now: Float64Array): LatencyReport | null {
  const p50Ms = quantileMs(0.5, { before, now });
  const p99Ms = quantileMs(0.99, { before, now });
  return p50Ms === undefined || p99Ms === undefined ? null : { p50Ms, p99Ms };
}
