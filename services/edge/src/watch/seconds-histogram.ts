import type { Metric, Registry } from "prom-client";

/** Upper bounds in seconds: from half a millisecond, what a quiet edge needs, to a stall. */
export const SECONDS_BUCKETS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

const BOUNDS_MS = SECONDS_BUCKETS.map((seconds) => seconds * 1_000);

/**
 * A Prometheus histogram of durations that takes many equal observations as one. The library's own
 * takes them one by one, each with an object and a hash of its labels: too dear for something that
 * is measured at every delivery. Here one costs a few comparisons, and the page is written from the
 * counts when it is asked for.
 */
export class SecondsHistogram {
  readonly name: string;
  readonly help: string;
  readonly type = "histogram";
  readonly aggregator = "sum";
  /** Not cumulative; the last one is what no bucket holds. */
  readonly #counts = new Float64Array(BOUNDS_MS.length + 1);
  #sumMs = 0;

  constructor(options: {
    readonly name: string;
    readonly help: string;
    readonly registry: Registry;
  }) {
    this.name = options.name;
    this.help = options.help;
    // What the registry asks of a metric is a name, `get` and `reset`; its type asks for more.
    options.registry.registerMetric(this as unknown as Metric);
  }

  /** `times` observations of that duration; less than nothing is nothing. */
  observe(durationMs: number, times = 1): void {
    const ms = Math.max(0, durationMs);
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && ms > (BOUNDS_MS[bucket] ?? 0)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + times;
    this.#sumMs += ms * times;
  }

  /** How many observations each bucket has had, as of now; the last one is what no bucket holds. */
  counts(): Float64Array {
    return this.#counts.slice();
  }

  /** As the library's registry asks each of its metrics. */
  get() {
    const values: { metricName: string; labels: { le?: string }; value: number }[] = [];
    let total = 0;
    for (const [index, count] of this.#counts.entries()) {
      total += count;
      const le = String(SECONDS_BUCKETS[index] ?? "+Inf");
      values.push({ metricName: `${this.name}_bucket`, labels: { le }, value: total });
    }
    values.push({ metricName: `${this.name}_sum`, labels: {}, value: this.#sumMs / 1_000 });
    values.push({ metricName: `${this.name}_count`, labels: {}, value: total });
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values };
  }

  reset(): void {
    this.#counts.fill(0);
    this.#sumMs = 0;
  }
}

/**
 * A quantile of what was observed between two looks at a histogram, in milliseconds; undefined: there
 * was nothing. Within a bucket the durations are taken as spread evenly, as Prometheus'
 * `histogram_quantile` does it, so that it is right to the bucket and no better; what is beyond the
 * last bound counts as that bound.
 */
export function quantileMs(
  quantile: number,
  { before, now }: { readonly before: Float64Array; readonly now: Float64Array },
): number | undefined {
  const counts = now.map((count, bucket) => count - (before[bucket] ?? 0));
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total <= 0) return undefined;
  let wanted = quantile * total;
  for (const [bucket, count] of counts.entries()) {
    const low = BOUNDS_MS[bucket - 1] ?? 0;
    const high = BOUNDS_MS[bucket] ?? low;
    if (count > 0 && wanted <= count) return low + (high - low) * (wanted / count);
    wanted -= count;
  }
  return BOUNDS_MS.at(-1);
}
