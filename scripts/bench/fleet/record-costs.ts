import type { Figures } from "../scenario/figures.ts";

/** What one window told: each edge's CPU, and how many pieces were said. */
export interface Window {
  readonly figures: Pick<Figures, "edgeCpus" | "redisCpu" | "publishesPerS">;
  readonly piecesPerS: number;
}

export interface SeenWindows {
  /** Nobody reads, nothing is written. */
  readonly alone: Window;
  /** Nobody reads: the owner reads and says nothing but heartbeats. */
  readonly unheard: Window;
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
 * counted at the price of a heartbeat. What connections cost by themselves stands on the edge that
 * reads the log, which has the same ones.
 */
export function recordCosts(seen: SeenWindows, at: string): RecordCosts {
  const { alone, unheard, silent, discarded, wanted } = seen;
  const perS = discarded.figures.publishesPerS;
  const wantedPerS = wanted.figures.publishesPerS;
  const connections = grown("direct", alone, silent);
  const pieceHeard = (grown("relayed", alone, silent) - connections) / silent.piecesPerS;
  const pieceSaid = (cpuOf("owner", alone) - cpuOf("direct", alone)) / alone.piecesPerS;
  const heardPieces = pieceHeard * (discarded.piecesPerS - silent.piecesPerS);
  const saidPieces = pieceSaid * (discarded.piecesPerS - unheard.piecesPerS);
  const said = grown("owner", unheard, discarded) - saidPieces;
  return {
    [`µs read directly, discarded ${at}`]: grown("direct", silent, discarded) / perS,
    [`µs read directly, wanted by one ${at}`]: grown("direct", silent, wanted) / wantedPerS,
    [`µs relayed, discarded ${at}`]: grown("relayed", silent, discarded) / perS,
    [`µs relayed, wanted by one ${at}`]: grown("relayed", silent, wanted) / wantedPerS,
    [`µs relayed, discarded, without its piece ${at}`]:
      (grown("relayed", silent, discarded) - heardPieces) / perS,
    [`µs read by the owner, unheard ${at}`]:
      grown("owner", alone, unheard) / unheard.figures.publishesPerS,
    [`µs said by the owner, without its piece ${at}`]: said / perS,
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
