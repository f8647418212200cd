import type { LogChunk } from "@millrace/log";
import { type DecodeOutcome, decodeMessage } from "@millrace/schemas/record";

const NO_VALUE: DecodeOutcome = { kind: "undecodable", why: "no value" };

/**
 * The messages in a chunk, decoded once for all who follow the tails: they look at the same chunk one
 * after the other, so the last one is all that is kept.
 */
export class DecodedRecords {
  #chunk: LogChunk | undefined;
  #outcomes: readonly DecodeOutcome[] = [];

  /** At the index of each record, what stands in it. */
  of(chunk: LogChunk): readonly DecodeOutcome[] {
    if (chunk !== this.#chunk) {
      this.#outcomes = chunk.records.map(({ value }) =>
        value === null ? NO_VALUE : decodeMessage(value),
      );
      this.#chunk = chunk;
    }
    return this.#outcomes;
  }
}
