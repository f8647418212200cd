import { expect, it } from "vitest";
import { noPaint } from "./paint.ts";
import { wrapped } from "./wrapping.ts";

it("a sentence is broken between its words, and a word never", () => {
  const layout = { width: 12, paint: noPaint };
  expect(wrapped("one two three four", layout)).toBe("one two\n  three four");
  expect(wrapped("averyveryverylongword is", layout, 0)).toBe("averyveryverylongword\nis");
  expect(wrapped("short", layout)).toBe("short");
});
