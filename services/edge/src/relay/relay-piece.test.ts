import type { EpochId } from "@millrace/schemas";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BucketMark } from "./bucket-mark.ts";
import { type RelayPiece, decodePiece, encodePiece } from "./relay-piece.ts";

const EPOCH = "a1b2c3" as EpochId;

function piece(fields: Partial<RelayPiece> = {}): RelayPiece {
  return { epoch: EPOCH, run: "r.1", base: 100n, next: 110n, records: [], ...fields };
}

const bytes = fc.uint8Array({ maxLength: 40 });
const record = fc.record({
  offset: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  timestampMs: fc.integer({ min: 0, max: 2 ** 45 }),
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.array(fc.record({ name: fc.string({ maxLength: 20 }), value: bytes }), {
    maxLength: 2,
  }),
});

describe("a piece of the relay", () => {
  it("comes out as it went in, with offsets of 63 bits", () => {
    const base = fc.bigInt({ min: 0n, max: 2n ** 62n });
    fc.assert(
      fc.property(base, fc.array(record, { maxLength: 5 }), (from, found) => {
        const records = found.map((each) => ({ ...each, offset: from + BigInt(each.offset) }));
        const sent = piece({ base: from, next: from + 2n ** 32n, records });
        const heard = decodePiece(encodePiece(sent));
        expect(heard).toEqual({
          ...sent,
          records: records.map(({ key, value, headers, ...rest }) => ({
            ...rest,
            key: key && Buffer.from(key),
            value: value && Buffer.from(value),
            headers: headers.map((header) => ({ ...header, value: Buffer.from(header.value) })),
          })),
        });
      }),
    );
  });

  it("is nothing at all when it is cut off, of another version, or not ours", () => {
    const records = [
      { offset: 104n, timestampMs: 1, key: Buffer.from("room:1"), value: null, headers: [] },
    ];
    const whole = encodePiece(piece({ records }));
    for (let length = 0; length < whole.length; length++) {
      expect(decodePiece(whole.subarray(0, length))).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        if (noise[0] !== 1) expect(decodePiece(Buffer.from(noise))).toBeUndefined();
        else decodePiece(Buffer.from(noise));
      }),
    );
  });
});

describe("how far a bucket is covered", () => {
  it("moves by what begins at or before it, and by nothing else", () => {
    const mark = new BucketMark(EPOCH, 100n);
    expect(mark.take(piece({ base: 101n, next: 110n }))).toBe("beyond");
    expect(mark.take(piece({ epoch: "other" as EpochId }))).toBe("foreign");
    expect(mark.take(piece({ base: 90n, next: 100n }))).toBe("known");
    expect(mark.covered).toBe(100n);
    expect(mark.take(piece({ base: 95n, next: 105n }))).toBe("taken");
    expect(mark.covered).toBe(105n);
  });

  it("hands on each record once and in order, whatever is lost, late or doubled", () => {
    const range = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 20 }));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 60 }), (ranges) => {
        const mark = new BucketMark(EPOCH, 0n);
        const handed: bigint[] = [];
        for (const [base, length] of ranges) {
          const from = mark.covered;
          const heard = piece({ base: BigInt(base), next: BigInt(base + length) });
          if (mark.take(heard) !== "taken") continue;
          for (let offset = from; offset < heard.next; offset++) handed.push(offset);
        }
        expect(handed).toEqual(handed.map((_, index) => BigInt(index)));
      }),
    );
  });
});
