import { describe, expect, it } from "vitest";
import { Backoff } from "./backoff.ts";

describe("the pause before another attempt", () => {
  it("fills the whole range from nothing to the cap, from the first attempt on", () => {
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let attempt = 1; attempt <= 20; attempt++) {
      const mostMs = Math.min(30_000, 500 * 2 ** (attempt - 1));
      const delays = Array.from({ length: 500 }, () => delayOf(attempt, random));
      const tenths = new Set(delays.map((delay) => Math.floor((delay / mostMs) * 10)));
      expect(Math.max(...delays)).toBeLessThan(mostMs);
      expect(tenths.size).toBe(10);
    }
  });

  it("is short again only after a connection that lasted 30 s", () => {
    const backoff = new Backoff(() => 1);
    for (let attempt = 0; attempt < 10; attempt++) backoff.nextMs();
    backoff.ended(29_999);
    expect(backoff.nextMs()).toBe(30_000);
    backoff.ended(30_000);
    expect(backoff.nextMs()).toBe(500);
  });
});

function delayOf(attempt: number, random: () => number): number {
  const backoff = new Backoff(random);
  for (let before = 1; before < attempt; before++) backoff.nextMs();
  return backoff.nextMs();
}
