import { describe, expect, it } from "vitest";
import { epochIdOf, formatPosition, parsePosition } from "./position.ts";

describe("a position", () => {
  it("has exactly one spelling, for numbers of any size", () => {
    for (const offset of [0n, 9n, 10n, 2n ** 31n, 2n ** 53n + 1n, 2n ** 63n - 2n, 2n ** 63n - 1n]) {
      const text = `Zm9-_bFy.2147483647.${offset}`;
      const position = parsePosition(text);
      expect(position?.offset).toBe(offset);
      expect(position && formatPosition(position)).toBe(text);
    }
  });

  it.each([
    "",
    "Zm9vYmFy",
    "Zm9vYmFy.7",
    "Zm9vYmFy.7.",
    "Zm9vYmFy.7.4711 ",
    " Zm9vYmFy.7.4711",
    "Zm9vYmFy.7.4711.0",
    "Zm9vYmFy.07.4711",
    "Zm9vYmFy.7.04711",
    "Zm9vYmFy.7.-1",
    "Zm9vYmFy.7.+1",
    "Zm9vYmFy.7.1e3",
    "Zm9vYmFy.7.0x10",
    "Zm9vYmFy.7.9223372036854775808",
    "Zm9vYmFy.2147483648.0",
    "Zm9vYmF.7.4711",
    "Zm9vYmFyy.7.4711",
    "Zm9v+mFy.7.4711",
    "Zm9vYmFy.٧.4711",
    "Zm9vYmFy.7.4711\n",
    7,
    null,
    undefined,
    {},
  ])("%j is none", (text) => {
    expect(parsePosition(text)).toBeUndefined();
  });

  it("names its epoch as Kafka's own tools write the topic id", () => {
    const topicId = Buffer.from("+/Pjaqo1RW6Zvu1UyJuLcA==", "base64");
    expect(epochIdOf(topicId)).toBe("-_Pjaqo1");
    expect(topicId.toString("base64url").startsWith("-_Pjaqo1")).toBe(true);
  });
});
