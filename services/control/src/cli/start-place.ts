import type { StartFrom } from "@millrace/client";
import { parsePosition } from "@millrace/schemas";
import { InvalidArgumentError } from "commander";

const WORDS = ["live", "earliest", "acked"] as const;
const LAST_MAX = 1_000;

/** `--from`: a word, a time in ISO 8601, or a position that an earlier line told. */
export function parseFrom(text: string): StartFrom {
  const word = WORDS.find((known) => known === text);
  if (word !== undefined) return word;
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const time = Date.parse(text);
    if (!Number.isNaN(time)) return { time };
  }
  if (parsePosition(text) !== undefined) return { after: text };
  throw new InvalidArgumentError(
    `${WORDS.join(", ")}, a time such as 2026-01-31T12:00Z, or a position (pos) is needed.`,
  );
}

/** `--last`: so many of the newest messages first. */
export function parseLast(text: string): StartFrom {
  const last = Number(text);
  if (!/^\d+$/.test(text) || last > LAST_MAX) {
    throw new InvalidArgumentError(`a whole number from 0 to ${LAST_MAX} is needed.`);
  }
  return last === 0 ? "live" : { last };
}
