import { TOKEN_LEEWAY_MS } from "@millrace/runtime/tokens";
import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { TokenLife, TokenLives } from "./token-life.ts";

const TICK_MS = 250;
const DAY_MS = 86_400_000;

function setUp() {
  const clock = new FakeClock();
  const lives = new TokenLives(clock);
  const startMs = clock.nowMs();
  const told: [what: string, atMs: number][] = [];
  const note = (what: string): unknown => told.push([what, clock.nowMs() - startMs]);
  const holder = {
    onExpiring: (inMs: number) => note(inMs > 59_000 ? "a minute" : "less"),
    onExpired: () => note("end"),
  };
  const begin = (lifeMs: number): TokenLife => {
    const life = new TokenLife(lives, holder);
    life.begin(clock.wallMs() + lifeMs);
    return life;
  };
  return { clock, lives, told, begin };
}

describe("the life of a token", () => {
  it.each([3_600_000, 30 * DAY_MS])("of %d ms is warned about, and ended", async (lifeMs) => {
    const { clock, told, begin, lives } = setUp();
    begin(lifeMs);
    clock.jumpWall(-DAY_MS);
    // The months before the last turn of the wheel are not what is tested.
    clock.freeze(lifeMs - 120_000);
    await clock.advance(125_000 + TICK_MS);
    expect(told.map(([what]) => what)).toEqual(["a minute", "end"]);
    const [warnedMs = 0, endedMs = 0] = told.map(([, atMs]) => atMs);
    expect(warnedMs - (lifeMs - 60_000)).toBeGreaterThanOrEqual(0);
    expect(warnedMs - (lifeMs - 60_000)).toBeLessThanOrEqual(TICK_MS);
    expect(endedMs - (lifeMs + TOKEN_LEEWAY_MS)).toBeGreaterThanOrEqual(0);
    expect(endedMs - (lifeMs + TOKEN_LEEWAY_MS)).toBeLessThanOrEqual(TICK_MS);
    expect(lives.wheel.size).toBe(0);
  });

  it("is warned about at once where less than a minute is left", async () => {
    const { clock, told, begin } = setUp();
    begin(20_000);
    await clock.advance(TICK_MS);
    expect(told).toHaveLength(1);
    expect(told[0]?.[0]).toBe("less");
  });

  it("begins anew with another token, and is nothing more once it was ended", async () => {
    const { clock, told, begin, lives } = setUp();
    const life = begin(70_000);
    await clock.advance(20_000);
    life.begin(clock.wallMs() + 100_000);
    await clock.advance(100_000);
    expect(told.map(([what]) => what)).toEqual(["a minute", "a minute"]);
    life.end();
    await clock.advance(60_000);
    expect(told).toHaveLength(2);
    expect(lives.wheel.size).toBe(0);
  });
});
