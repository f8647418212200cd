import { openDescriptors, processUsage } from "@millrace/testkit";

interface Sample {
  readonly atMs: number;
  readonly residentMb: number;
  readonly descriptors: number;
}

/** How a process's memory and descriptors went, over the life of its last incarnation. */
export interface Trend {
  readonly name: string;
  readonly pid: number;
  readonly minutes: number;
  readonly residentMb: number;
  readonly residentMbPerMinute: number;
  readonly descriptors: number;
  readonly descriptorsPerMinute: number;
  /** Undefined: it did not live long enough to say. */
  readonly isFlat: boolean | undefined;
}

const MB = 1_048_576;
const MS_PER_MINUTE = 60_000;

/** What a process takes while it warms up says nothing of what it loses. */
const WARM_UP_SHARE = 0.3;

/** Below that a slope is the noise of a garbage collector. */
const MINUTES_MIN = 2;

/** Of what it has, and at least so many a minute, before it counts as growth. */
const GROWTH_SHARE = 0.02;
const GROWTH_MB = 2;
const GROWTH_DESCRIPTORS = 2;

/** Samples of some processes; one that is another process now begins anew. */
export class Trends {
  readonly #samples = new Map<string, { pid: number; samples: Sample[] }>();

  sample(pids: ReadonlyMap<string, number>, atMs: number): void {
    for (const [name, pid] of pids) {
      const sample = sampleOf(pid, atMs);
      if (sample === undefined) continue;
      const known = this.#samples.get(name);
      if (known?.pid === pid) known.samples.push(sample);
      else this.#samples.set(name, { pid, samples: [sample] });
    }
  }

  get all(): Trend[] {
    return [...this.#samples].map(([name, { pid, samples }]) => trendOf(name, pid, samples));
  }
}

export function trendOf(name: string, pid: number, samples: readonly Sample[]): Trend {
  const last = samples.at(-1) ?? { atMs: 0, residentMb: 0, descriptors: 0 };
  const livedMs = last.atMs - (samples[0]?.atMs ?? 0);
  const warm = samples.slice(Math.floor(samples.length * WARM_UP_SHARE));
  const residentMbPerMinute = slopeOf(warm, ({ residentMb }) => residentMb);
  const descriptorsPerMinute = slopeOf(warm, ({ descriptors }) => descriptors);
  const mostMb = Math.max(GROWTH_MB, last.residentMb * GROWTH_SHARE);
  const mostDescriptors = Math.max(GROWTH_DESCRIPTORS, last.descriptors * GROWTH_SHARE);
  const isFlat = residentMbPerMinute <= mostMb && descriptorsPerMinute <= mostDescriptors;
  const minutes = livedMs / MS_PER_MINUTE;
  return {
    name,
    pid,
    minutes: rounded(minutes),
    residentMb: rounded(last.residentMb),
    residentMbPerMinute: rounded(residentMbPerMinute),
    descriptors: last.descriptors,
    descriptorsPerMinute: rounded(descriptorsPerMinute),
    isFlat: minutes < MINUTES_MIN ? undefined : isFlat,
  };
}

/** Least squares, per minute. */
function slopeOf(samples: readonly Sample[], valueOf: (sample: Sample) => number): number {
  const meanMs = mean(samples.map(({ atMs }) => atMs));
  const meanValue = mean(samples.map(valueOf));
  let [products, squares] = [0, 0];
  for (const sample of samples) {
    const aside = sample.atMs - meanMs;
    products += aside * (valueOf(sample) - meanValue);
    squares += aside * aside;
  }
  return squares === 0 ? 0 : (products / squares) * MS_PER_MINUTE;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

/** From /proc; undefined for a process that has ended, or where there is no /proc. */
function sampleOf(pid: number, atMs: number): Sample | undefined {
  try {
    const residentMb = processUsage(pid).residentBytes / MB;
    return { atMs, residentMb, descriptors: openDescriptors(pid) };
  } catch {
    // It has just ended.
    return undefined;
  }
}
