import type { Series, Situation } from "./rule-case.ts";

/** Labels of two edges of one fleet. */
export const A = 'namespace="m",instance="a"';
export const B = 'namespace="m",instance="b"';

/** One series that stands still. */
export function constant(series: string, value: number, minutes = 30): Situation {
  return { series: { [series]: still(value, minutes) }, at: `${minutes}m` };
}

export function still(value: number, minutes = 30): string {
  return `${value}x${minutes * 2}`;
}

export function situation(series: Series, at = "30m"): Situation {
  return { series, at };
}
