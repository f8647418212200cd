import type { Position } from "@millrace/schemas";
import type { CursorKey } from "@millrace/schemas/record";

/** One text for each cursor, and none for two. */
export function nameOf({ user, holder, conversation }: CursorKey): string {
  // JSON keeps the parts apart whatever they contain.
  return JSON.stringify([user, holder, conversation]);
}

/** Of two incarnations the one acknowledged last counts: it was checked against the log's own. */
export function isNewer(position: Position, than: Position): boolean {
  if (position.epoch !== than.epoch || position.partition !== than.partition) return true;
  return position.offset > than.offset;
}
