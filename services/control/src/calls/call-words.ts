import type { ApiCall } from "../api/routes.ts";
import type { Overview } from "../overview/overview.ts";
import { partitionCount } from "../overview/owners.ts";
import { isPathName } from "../path-name.ts";
import { refuse } from "../refusal.ts";

const PARTITIONS_MAX = 1_000_000;
const WEIGHT_MAX = 1_000;
const EDGE_LENGTH_MAX = 200;

/** The body's fields. One that nobody knows is a mistake: it could be a wish that is not carried out. */
export function fieldsOf(
  { body }: ApiCall,
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  if (body === undefined || body === null) return {};
  if (typeof body !== "object" || Array.isArray(body)) {
    return refuse(400, "the body must be a JSON object");
  }
  const other = Object.keys(body).find((name) => !known.includes(name));
  if (other !== undefined) {
    const wanted = known.length === 0 ? "no field" : known.join(", ");
    refuse(400, `the body has a field that is not known here; known: ${wanted}`);
  }
  return body as Readonly<Record<string, unknown>>;
}

/** A number, or a path's text of one. */
export function partitionIn(value: unknown): number {
  const partition = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (Number.isSafeInteger(partition) && Number(partition) >= 0) {
    if (Number(partition) < PARTITIONS_MAX) return Number(partition);
  }
  return refuse(400, "`partition` must be a partition's number, such as 3");
}

export function edgeIn(value: unknown): string {
  const isName = typeof value === "string" && value !== "" && value.length <= EDGE_LENGTH_MAX;
  return isName && isPathName(value)
    ? value
    : refuse(400, "`edge` must be an edge's id, such as edge-2");
}

export function weightIn(value: unknown): number {
  const isWeight = typeof value === "number" && Number.isSafeInteger(value);
  if (isWeight && value >= 0 && value <= WEIGHT_MAX) return value;
  return refuse(400, `\`weight\` must be a whole number from 0 to ${WEIGHT_MAX}`);
}

/** Throws a RefusalError where the topic has no such partition. */
export function assertPartition(overview: Overview, partition: number): void {
  const count = partitionCount(overview);
  if (count === 0) refuse(503, "the partitions are not known: neither edges nor Kafka answer");
  if (partition >= count) {
    refuse(404, `there is no partition ${partition}; ${overview.topic} has 0 to ${count - 1}`);
  }
}
