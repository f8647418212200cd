/** Counts by bucket, the way a histogram travels between processes. */
export type Buckets = readonly (readonly [bucket: number, count: number])[];

const SUB_BITS = 6;
const SUBS = 1 << SUB_BITS;
const VALUE_MAX = 2 ** 31 - 1;
const BUCKETS = SUBS * (32 - SUB_BITS);

/**
 * Values from 0 to 2^31 in buckets that are at most 1/64 of their value wide: a percentile is never
 * further than 1.6 % above the truth, whatever the range, and recording one is a few operations.
 */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  get max(): number {
    return this.#max;
  }

  record(value: number): void {
    const whole = value <= 0 ? 0 : value >= VALUE_MAX ? VALUE_MAX : Math.ceil(value);
    this.#add(bucketOf(whole), 1);
    if (whole > this.#max) this.#max = whole;
  }

  merge(buckets: Buckets): void {
    for (const [bucket, count] of buckets) {
      this.#add(bucket, count);
      this.#max = Math.max(this.#max, topOf(bucket));
    }
  }

  /** The value that this share (0 to 1) of all values do not exceed; NaN where there are none. */
  quantile(share: number): number {
    if (this.#count === 0) return Number.NaN;
    const wanted = Math.max(1, Math.ceil(this.#count * share));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= wanted) return topOf(bucket);
    }
    return this.#max;
  }

  /** What was recorded; from now on it is empty. */
  take(): Buckets {
    const buckets: [number, number][] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const count = this.#counts[bucket] ?? 0;
      if (count > 0) buckets.push([bucket, count]);
    }
    this.#counts.fill(0);
    this.#count = 0;
    this.#max = 0;
    return buckets;
  }

  #add(bucket: number, count: number): void {
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count;
    this.#count += count;
  }
}

function bucketOf(value: number): number {
  if (value < SUBS) return value;
  const shift = 31 - Math.clz32(value) - SUB_BITS;
  return shift * SUBS + (value >>> shift);
}

/** The largest value that falls into the bucket. */
function topOf(bucket: number): number {
  if (bucket < SUBS) return bucket;
  const shift = Math.floor(bucket / SUBS) - 1;
  return (bucket - shift * SUBS + 1) * 2 ** shift - 1;
}
