import { InvalidArgumentError } from "commander";
import { LIMITS } from "../limits.ts";
import { isPathName } from "../path-name.ts";
import { bytes, parseBytes } from "./amounts.ts";

const WEIGHT_MAX = 1_000;

export function parsePartition(text: string): number {
  return wholeNumber(text, { min: 0, max: 100_000 });
}

export function parseWeight(text: string): number {
  return wholeNumber(text, { min: 0, max: WEIGHT_MAX });
}

export function parseLimit(text: string): number {
  return wholeNumber(text, { min: 1, max: LIMITS.auditLimit });
}

/** Where a page of the audit goes on, as control has called it. */
export function parseNext(text: string): string {
  if (/^\d{1,18}$/.test(text)) return text;
  throw new InvalidArgumentError('it must be what an earlier answer (--json) has called "next".');
}

/** What stands in a path of the API: an edge, a user, a conversation. */
export function parseName(text: string): string {
  if (isPathName(text)) return text;
  throw new InvalidArgumentError(
    "HTTP takes it for a folder, so nobody of that name can be named.",
  );
}

/** As milliseconds. */
export function parseSeconds(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value > 0 && value <= 86_400) return value * 1_000;
  throw new InvalidArgumentError("seconds are needed, up to a day.");
}

export function parseBrokers(text: string): number[] {
  const parts = text.split(",");
  const ids = parts.map((part) => wholeNumber(part.trim(), { min: 0, max: 2_147_483_647 }));
  if (new Set(ids).size === ids.length) return ids;
  throw new InvalidArgumentError("a broker stands there twice.");
}

/** As bytes a second. */
export function parseThrottle(text: string): number {
  const value = parseBytes(text);
  if (value !== undefined && value >= LIMITS.throttleBytesPerSecMin) return value;
  const least = bytes(LIMITS.throttleBytesPerSecMin);
  throw new InvalidArgumentError(
    `bytes a second are needed, ${least} at least, such as 10MB or 512KiB.`,
  );
}

/** For options that may be repeated. */
export function collected(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

function wholeNumber(
  text: string,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(`a whole number from ${min} to ${max} is needed.`);
}
