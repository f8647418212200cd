const THOUSANDS = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });

const MS_PER_S = 1_000;
const S_PER_MINUTE = 60;
const S_PER_HOUR = 3_600;

export function count(value: number | null): string {
  return value === null ? "?" : THOUSANDS.format(value);
}

/** One digit behind the point where that says something. */
export function rate(perSec: number): string {
  return perSec < 100 ? TENTHS.format(perSec) : THOUSANDS.format(perSec);
}

export function milliseconds(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  return `${ms < 10 ? TENTHS.format(ms) : THOUSANDS.format(ms)} ms`;
}

export function duration(ms: number | null): string {
  if (ms === null) return "?";
  const seconds = ms / MS_PER_S;
  if (seconds < 10) return `${TENTHS.format(seconds)} s`;
  if (seconds < 2 * S_PER_MINUTE) return `${THOUSANDS.format(seconds)} s`;
  if (seconds < 2 * S_PER_HOUR) return `${THOUSANDS.format(seconds / S_PER_MINUTE)} min`;
  return `${THOUSANDS.format(seconds / S_PER_HOUR)} h`;
}

export function timeOfDay(atMs: number): string {
  return new Date(atMs).toLocaleTimeString("en-GB");
}
