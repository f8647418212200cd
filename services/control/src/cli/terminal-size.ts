import type { Output } from "./surroundings.ts";

/** A terminal that nobody has told its size says 0: as little as nothing at all. */
export function columnsOf({ columns = 0 }: Output): number {
  return columns > 0 ? columns : 80;
}

export function rowsOf({ rows = 0 }: Output): number {
  return rows > 0 ? rows : 24;
}
