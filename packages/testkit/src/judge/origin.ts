/**
 * Who made a record a second time, by the edges' own numbers (the header `edge`): the same number
 * of the same process is one append that the broker has written twice; another number is the same
 * edge asked twice (a client's retry that dedup let through); another edge the same elsewhere.
 */
export type Origin = "broker" | "same-edge" | "other-edge" | "unknown";

export function originOf(first: string | undefined, second: string | undefined): Origin {
  if (first === undefined || second === undefined) return "unknown";
  if (first === second) return "broker";
  return processOf(first) === processOf(second) ? "same-edge" : "other-edge";
}

function processOf(mark: string): string {
  return mark.slice(0, mark.lastIndexOf("/"));
}
