import { expect, it } from "vitest";
import { isBehind } from "./positions.ts";

it("positions are compared as whole numbers of any size, and only within their partition", () => {
  for (const offset of [9n, 99n, 2n ** 31n - 1n, 2n ** 53n, 2n ** 63n - 2n]) {
    expect(isBehind(at(offset + 1n), at(offset))).toBe(true);
    expect(isBehind(at(offset), at(offset + 1n))).toBe(false);
    expect(isBehind(at(offset), at(offset))).toBe(false);
  }
  expect(isBehind(at(9n, 1), at(8n))).toBeUndefined();
  expect(isBehind("BBBBBBBB.0.9", at(8n))).toBeUndefined();
});

function at(offset: bigint, partition = 0): string {
  return `AAAAAAAA.${partition}.${offset}`;
}
