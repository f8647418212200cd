import { expect, test } from "vitest";
import { isWhole } from "./group-members.ts";

test("a group is whole when each partition has one owner and everybody has heard of it", () => {
  const settled = [
    ["member-0", [0, 1]],
    ["member-1", [2, 3]],
  ] as const;
  expect(isWhole(settled, 4, false)).toBe(true);
  // The one has joined, and the others have not heard yet.
  expect(isWhole([...settled, ["one", []]], 4, true)).toBe(false);
  expect(isWhole([...settled, ["one", [1, 3]]], 4, true)).toBe(false);
  expect(
    isWhole(
      [
        ["member-0", [0]],
        ["member-1", [2]],
        ["one", [1, 3]],
      ],
      4,
      true,
    ),
  ).toBe(true);
  // Two believe to own the same one, and another is nobody's.
  expect(
    isWhole(
      [
        ["member-0", [0, 1]],
        ["member-1", [1, 3]],
      ],
      4,
      false,
    ),
  ).toBe(false);
  // It has gone, and its partitions are nobody's so far.
  expect(
    isWhole(
      [
        ["member-0", [0]],
        ["member-1", [2]],
      ],
      4,
      false,
    ),
  ).toBe(false);
});

test("the first member that owns all is no whole group of several", () => {
  expect(
    isWhole(
      [
        ["member-0", [0, 1, 2, 3]],
        ["member-1", []],
      ],
      4,
      false,
    ),
  ).toBe(false);
});

test("where there are more members than partitions, most own nothing", () => {
  const idle = Array.from({ length: 5 }, (_, index) => [`member-${index}`, []] as const);
  expect(isWhole([...idle, ["member-9", [0]], ["one", [1]]], 2, true)).toBe(true);
});
