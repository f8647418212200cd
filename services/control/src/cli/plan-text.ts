import type { DoneView, PlanView } from "../api/views.ts";
import { plural } from "./amounts.ts";
import { printable } from "./paint.ts";
import type { Layout } from "./table.ts";

/** As many lines as a person reads; the JSON has all. */
const MOVES_SHOWN = 20;

/** What a call would do. */
export function planText({ effects, moves, reconnects }: PlanView, { paint }: Layout): string {
  const sockets =
    reconnects === 0
      ? "No client has to connect again."
      : paint("warn", `${plural(reconnects, "client has", "clients have")} to connect again.`);
  return [
    ...effects.map((effect) => `- ${printable(effect)}`),
    ...(moves.length === 0 ? ["No partition moves."] : moveLines(moves)),
    sockets,
  ].join("\n");
}

/** What a call has done. */
export function doneText({ done, moves = [], auditId }: DoneView, { paint }: Layout): string {
  const lines = [printable(done), ...(moves.length === 0 ? [] : moveLines(moves))];
  return [...lines, paint("dim", printable(`(audit ${auditId})`))].join("\n");
}

function moveLines(moves: PlanView["moves"]): string[] {
  const lines = moves
    .slice(0, MOVES_SHOWN)
    .map(
      ({ partition, from, to }) =>
        `  partition ${partition}: ${printable(from ?? "nobody")} → ${printable(to ?? "nobody")}`,
    );
  const more = moves.length - lines.length;
  const head = `${plural(moves.length, "partition moves", "partitions move")}:`;
  return [head, ...lines, ...(more > 0 ? [`  … and ${more} more (--json lists all)`] : [])];
}
