import type { Load } from "../load/load-protocol.ts";
import type { Figures } from "./figures.ts";
import { type Bench, measure } from "./measured.ts";

/** A window in which the relay was looked at, too. */
export interface WithPieces {
  readonly figures: Figures;
  readonly piecesPerS: number;
}

/** The pieces are counted over all that the window took, others' rest included. */
export async function measureWithPieces(
  bench: Bench,
  loads: Load,
  seconds: number,
): Promise<WithPieces> {
  const { stage } = bench;
  const [saidBefore, beforeMs] = [await stage.piecesSaid(), performance.now()];
  const figures = await measure(bench, loads, {}, seconds);
  const said = (await stage.piecesSaid()) - saidBefore;
  return { figures, piecesPerS: (said * 1_000) / (performance.now() - beforeMs) };
}
