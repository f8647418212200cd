import type { PlanView } from "../api/views.ts";
import { counted } from "../counted.ts";

type Moves = PlanView["moves"];

/** Moves in words: how many, and of how many edges. */
export function movesSentence(moves: Moves): string {
  if (moves.length === 0) return "No other partition changes hands.";
  const count = moves.length === 1 ? "1 partition changes" : `${moves.length} partitions change`;
  return `${count} hands: ${moves.map(moveText).join(", ")}.`;
}

export const HARMLESS =
  "No conversation stalls and no client has to connect again: each edge serves its clients on while partitions change hands.";

export const NOT_FORETOLD =
  "What changes hands can't be foretold now: Kafka does not tell of the group of edges, or it is distributing partitions this moment.";

export function clients(count: number): string {
  return counted(count, "client");
}

function moveText({ partition, from, to }: Moves[number]): string {
  return `${partition} (${from ?? "nobody"} → ${to ?? "nobody"})`;
}
