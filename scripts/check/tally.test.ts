import { expect, test } from "vitest";
import { formatTally, parseTally, sumOf } from "./tally.ts";

test("the closing line is read and written alike", () => {
  for (const line of ["12 passed, 0 failed", "1 passed, 2 failed, 3 skipped"]) {
    const tally = parseTally(line);
    expect(tally && formatTally(tally)).toBe(line);
  }
  expect(parseTally("  Tests  3 passed (3)")).toBeUndefined();
});

test("a sum counts both", () => {
  const sum = sumOf({ passed: 1, failed: 2, skipped: 0 }, { passed: 3, failed: 0, skipped: 1 });
  expect(formatTally(sum)).toBe("4 passed, 2 failed, 1 skipped");
});
