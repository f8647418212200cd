import { parsePosition } from "@millrace/schemas";

/**
 * Whether `a` stands behind `b`, by whole numbers of any size; undefined where two positions have
 * no order, being of different epochs or partitions (docs/protocol.md §2).
 */
export function isBehind(a: string, b: string): boolean | undefined {
  const first = parsePosition(a);
  const second = parsePosition(b);
  if (first === undefined || second === undefined) return undefined;
  if (first.epoch !== second.epoch || first.partition !== second.partition) return undefined;
  return first.offset > second.offset;
}
