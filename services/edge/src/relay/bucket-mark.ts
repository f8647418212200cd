import type { EpochId } from "@millrace/schemas";
import type { RelayPiece } from "./relay-piece.ts";

/** A range of one bucket's log, with everything that stands in it, wherever it was heard. */
export type Piece = Pick<RelayPiece, "epoch" | "base" | "next">;

/**
 * - `taken`: it joins what is covered, and its records beyond that are news, in order
 * - `known`: all of it was covered before
 * - `beyond`: something between is missing, and has to be read from the log first
 * - `foreign`: of another incarnation of the topic; only the log can say which one is present
 */
export type PieceVerdict = "taken" | "known" | "beyond" | "foreign";

/**
 * How far one bucket of a partition is covered: everything of it before `covered` has been handed
 * to the hubs. Direct reads and relayed pieces both move it, and one rule keeps it true:
 *
 * **A piece is taken only if it begins at or before `covered`.** Then what it holds beyond `covered`
 * is the very next of the bucket, whoever said it. A piece that was lost on the way, a link that was
 * cut and mended, an owner that restarted: each shows as a `base` beyond `covered`, and is filled
 * from the log. A second owner, or a late one, repeats what is covered: nothing happens.
 */
export class BucketMark {
  readonly epoch: EpochId;
  #covered: bigint;

  constructor(epoch: EpochId, covered: bigint) {
    this.epoch = epoch;
    this.#covered = covered;
  }

  get covered(): bigint {
    return this.#covered;
  }

  /** Moves `covered` when the piece is taken; the caller hands on its records from the former on. */
  take({ epoch, base, next }: Piece): PieceVerdict {
    if (epoch !== this.epoch) return "foreign";
    if (next <= this.#covered) return "known";
    if (base > this.#covered) return "beyond";
    this.#covered = next;
    return "taken";
  }
}
