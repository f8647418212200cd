import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBlock, encodeBlock } from "./block-format.ts";
import { BLOCK_OFFSETS, Block } from "./block.ts";
import { hashOfKey } from "./conversation-hash.ts";

const RANGE = { from: 3n * BigInt(BLOCK_OFFSETS), next: 4n * BigInt(BLOCK_OFFSETS) };

/** One number for each place of a block that holds a message: whose it is. */
const owners = fc.array(fc.option(fc.nat(30), { nil: undefined, freq: 4 }), { maxLength: 400 });

function blockOf(all: readonly (number | undefined)[], spread: number): Block {
  const entries = all.flatMap((owner, index) => {
    const place = (index * spread) % BLOCK_OFFSETS;
    return owner === undefined
      ? []
      : [hashOfKey(Buffer.from(`room:${owner}`)) * BLOCK_OFFSETS + place];
  });
  return new Block({ ...RANGE, bytes: 12_345, entries: Float64Array.from(entries).toSorted() });
}

describe("a stored block", () => {
  it("says what it said before it was stored", () => {
    fc.assert(
      fc.property(owners, fc.constantFrom(1, 7, 20), (all, spread) => {
        const block = blockOf(all, spread);
        const stored = decodeBlock(encodeBlock(block), RANGE);
        expect(stored?.bytes).toBe(block.bytes);
        expect([...(stored?.entries ?? [])]).toEqual([...block.entries]);
      }),
    );
  });

  it("is missing, or says something in its range, whatever bytes stand in its place", () => {
    fc.assert(
      fc.property(owners, fc.nat(2_000), fc.nat(255), fc.boolean(), (all, at, byte, isCut) => {
        const bytes = encodeBlock(blockOf(all, 20));
        const index = at % bytes.length;
        bytes[index] = byte;
        const block = decodeBlock(isCut ? bytes.subarray(0, index) : bytes, RANGE);
        if (block === undefined) return;
        const places = [...block.entries].map((entry) => entry % BLOCK_OFFSETS);
        expect(places.every((place) => Number.isInteger(place) && place >= 0)).toBe(true);
        expect(block.entries.length).toBeLessThanOrEqual(BLOCK_OFFSETS);
      }),
    );
  });

  it("takes less than three bytes a message where twenty conversations chat", () => {
    const all = Array.from({ length: BLOCK_OFFSETS }, (_, index) => (index * 7) % 20);
    expect(encodeBlock(blockOf(all, 1)).length).toBeLessThan(3 * BLOCK_OFFSETS);
  });
});
