import type { Figures } from "../scenario/figures.ts";

/** What one window told: each edge's CPU, and how many pieces were said. */
export interface Window {
  readonly figures: Pick<Figures, "edgeCpus" | "redisCpu" | "publishesPerS">;
  readonly piecesPerS: number;
}

export interface SeenWindows {
  /** Nobody reads, nothing is written. */
  readonly alone: Window;
  /** All buckets are followed, and nothing is written. */
  readonly silent: Window;
  /** Records of followed buckets, in conversations that nobody reads. */
  readonly discarded: Window;
  /** The same, each with one reader on each edge. */
  readonly wanted: Window;
}

/** µs, by a name that tells what for. */
export type RecordCosts = Readonly<Record<string, number>>;

/**
 * Differences of whole windows, shared by records and pieces. A piece is what Redis carries once: the
 * records that one chunk has for one bucket, or a heartbeat; a bucket with traffic needs fewer
 * heartbeats, so that a record's own cost is what is left when the pieces of both windows are
 * counted at the price of a heartbeat. What connections cost by themselves, and what the owner pays
 * for reading, stands on the edge that reads the log, which has the same ones and reads the same.
 */
export function recordCosts(seen: SeenWindows, at: string): RecordCosts {
  const { alone, silent, discarded, wanted } = seen;
  const perS = discarded.figures.publishesPerS;
  const wantedPerS = wanted.figures.publishesPerS;
  const connections = grown("direct", alone, silent);
  const pieceHeard = (grown("relayed", alone, silent) - connections) / silent.piecesPerS;
  const pieceSaid = (cpuOf("owner", alone) - cpuOf("direct", alone)) / alone.piecesPerS;
  const pieces = discarded.piecesPerS - silent.piecesPerS;
  const read = grown("direct", silent, discarded);
  const heard = grown("relayed", silent, discarded);
  const said = grown("owner", silent, discarded) - read;
  return {
    [`µs read directly, discarded ${at}`]: read / perS,
    [`µs read directly, wanted by one ${at}`]: grown("direct", silent, wanted) / wantedPerS,
    [`µs relayed, discarded ${at}`]: heard / perS,
    [`µs relayed, wanted by one ${at}`]: grown("relayed", silent, wanted) / wantedPerS,
    [`µs relayed, discarded, without its piece ${at}`]: (heard - pieceHeard * pieces) / perS,
    [`µs said by the owner, beyond reading ${at}`]: said / perS,
    [`µs said by the owner, without its piece ${at}`]: (said - pieceSaid * pieces) / perS,
    [`pieces/s ${at}`]: discarded.piecesPerS,
    [`records/s ${at}`]: perS,
    "µs a heartbeat said": pieceSaid,
    "µs a heartbeat heard": pieceHeard,
    "µs of Redis a heartbeat said": (alone.figures.redisCpu * 1e6) / alone.piecesPerS,
    "µs of Redis a heartbeat heard":
      ((silent.figures.redisCpu - alone.figures.redisCpu) * 1e6) / silent.piecesPerS,
  };
}

/** µs a second. */
function cpuOf(edge: string, { figures }: Window): number {
  return (figures.edgeCpus?.[edge] ?? 0) * 1e6;
}

function grown(edge: string, before: Window, after: Window): number {
  return cpuOf(edge, after) - cpuOf(edge, before);
}
