import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { ConnectionAges } from "./connection-ages.ts";

const AGE_MS = 100_000;

/** Chance that takes one value after the other. */
function setUp(ageMs: number, ...chances: readonly number[]) {
  const clock = new FakeClock();
  const left = [...chances];
  const ages = new ConnectionAges({ clock, random: () => left.shift() ?? 0.5, ageMs });
  const words: string[] = [];
  const open = (name: string) => {
    const connection = {
      send: (frame: object) => void words.push(`${name} ${JSON.stringify(frame)}`),
      close: (code: number) => void words.push(`${name} ${code}`),
    };
    ages.opened(connection);
    return connection;
  };
  return { clock, ages, words, open };
}

describe("the age of a connection", () => {
  it("sends those who came together away one after the other, each with its grace", async () => {
    const { clock, words, open } = setUp(AGE_MS, 0, 1);
    open("first");
    open("last");
    await clock.advance(89_000);
    expect(words).toEqual([]);
    await clock.advance(1_500);
    expect(words).toEqual(['first {"t":"goaway","afterMs":0,"reason":"age"}']);
    await clock.advance(8_000);
    expect(words).toHaveLength(1);
    await clock.advance(2_500);
    expect(words.at(-1)).toBe("first 1001");
    await clock.advance(9_500);
    expect(words.at(-1)).toBe('last {"t":"goaway","afterMs":0,"reason":"age"}');
  });

  it("is nobody's matter once the connection is gone, or where none is set", async () => {
    const gone = setUp(AGE_MS);
    gone.ages.closed(gone.open("gone"));
    const ageless = setUp(0);
    ageless.ages.closed(ageless.open("ageless"));
    await gone.clock.advance(10 * AGE_MS);
    await ageless.clock.advance(10 * AGE_MS);
    expect([...gone.words, ...ageless.words]).toEqual([]);
  });
});
