import type { EpochId } from "@millrace/schemas";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChunkCache } from "./chunk-cache.ts";
import type { LogChunk } from "./port.ts";

const EPOCH = "epoch-01" as EpochId;
const VALUE = Buffer.alloc(100);

function chunk(from: number, next: number): LogChunk {
  const records = Array.from({ length: next - from }, (_, index) => ({
    offset: BigInt(from + index),
    timestampMs: 0,
    key: Buffer.from("room:a"),
    value: VALUE,
    headers: [],
  }));
  const bytes = records.length * 106;
  const place = { epoch: EPOCH, partition: 0, endOffset: 1_000_000n };
  return { ...place, from: BigInt(from), next: BigInt(next), records, bytes };
}

describe("the cache of chunks", () => {
  it("answers from exactly the offset that is asked, whatever was put in, and stays within its bound", () => {
    const range = fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 120 }));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 40 }), fc.nat(400), (ranges, offset) => {
        const roomy = new ChunkCache({ bytesMax: 10_000_000 });
        const narrow = new ChunkCache({ bytesMax: 30_000 });
        for (const [from, length] of ranges) {
          roomy.put(chunk(from, from + length));
          narrow.put(chunk(from, from + length));
          expect(narrow.bytes).toBeLessThanOrEqual(30_000);
        }
        const isKnown = ranges.some(([from, length]) => from <= offset && offset < from + length);
        const found = roomy.get(0, BigInt(offset), EPOCH);
        expect(found !== undefined).toBe(isKnown);
        for (const view of [found, narrow.get(0, BigInt(offset), EPOCH)]) {
          if (view === undefined) continue;
          const next = Number(view.next);
          const offsets = Array.from({ length: next - offset }, (_, index) =>
            BigInt(offset + index),
          );
          expect(view.records.map((record) => record.offset)).toEqual(offsets);
          expect(view.from).toBe(BigInt(offset));
        }
        roomy.clear();
        expect(roomy.bytes).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it("finds among ten thousand small reads without going through them", () => {
    const cache = new ChunkCache({ bytesMax: 100_000_000 });
    for (let index = 0; index < 10_000; index++) cache.put(chunk(index * 10, index * 10 + 1));
    const startMs = performance.now();
    for (let round = 0; round < 100_000; round++) {
      cache.get(0, BigInt((round % 10_000) * 10), EPOCH);
    }
    // Going through them would take minutes.
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });
});
