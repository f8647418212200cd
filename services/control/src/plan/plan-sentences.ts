import type { Forecast } from "./redistribution.ts";

/** That clients stay is said by `reconnects`, and what moves by `moves`. */
export const HARMLESS =
  "No conversation stalls: each edge serves its clients on while partitions change hands.";

const NOT_FORETOLD =
  "What changes hands can't be foretold now: Kafka does not tell of the group of edges, or it is distributing partitions this moment.";

/** What `moves` can't say: that they are not known. */
export function unforetold({ isForetold }: Pick<Forecast, "isForetold">): string[] {
  return isForetold ? [] : [NOT_FORETOLD];
}
