import type { DoneView, PlanView } from "../api/views.ts";
import { plural } from "./amounts.ts";
import { printable } from "./paint.ts";
import type { Layout } from "./table.ts";
import { wrapped } from "./wrapping.ts";

/** As many lines as a person reads; the JSON has all. */
const MOVES_SHOWN = 20;

/** What a call would do. */
export function planText(plan: PlanView, layout: Layout): string {
  const { effects, moves, isForetold, reconnects } = plan;
  const { paint } = layout;
  const sockets =
    reconnects === 0
      ? "No client has to connect again."
      : paint("warn", `${plural(reconnects, "client has", "clients have")} to connect again.`);
  return [
    ...effects.map((effect) => wrapped(`- ${printable(effect)}`, layout)),
    // That they are not known is said by the effects.
    ...(moves.length === 0 && isForetold ? ["No partition changes hands."] : moveLines(moves)),
    sockets,
  ].join("\n");
}

/** What a call has done. */
export function doneText({ done, moves = [], auditId }: DoneView, layout: Layout): string {
  const { paint } = layout;
  const lines = [wrapped(printable(done), layout, 0), ...moveLines(moves)];
  return [...lines, paint("dim", printable(`(audit ${auditId})`))].join("\n");
}

function moveLines(moves: PlanView["moves"]): string[] {
  if (moves.length === 0) return [];
  const lines = moves
    .slice(0, MOVES_SHOWN)
    .map(
      ({ partition, from, to }) =>
        `  partition ${partition}: ${printable(from ?? "nobody")} → ${printable(to ?? "nobody")}`,
    );
  const more = moves.length - lines.length;
  const head = `${plural(moves.length, "partition changes hands", "partitions change hands")}:`;
  return [head, ...lines, ...(more > 0 ? [`  … and ${more} more (--json lists all)`] : [])];
}
