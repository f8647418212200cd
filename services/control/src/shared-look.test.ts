import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { SharedLook } from "./shared-look.ts";

function setUp() {
  const clock = new FakeClock();
  let looks = 0;
  const pending: (() => void)[] = [];
  const look = new SharedLook<number>({
    clock,
    ageMs: 1_000,
    look: async () => {
      looks += 1;
      const number = looks;
      await new Promise<void>((resolve) => pending.push(resolve));
      return number;
    },
  });
  return { clock, look, answer: () => pending.splice(0).forEach((resolve) => resolve()) };
}

describe("a look that is shared", () => {
  it("serves everybody who asks while it is under way, and for a second", async () => {
    const { clock, look, answer } = setUp();
    const both = Promise.all([look.get(), look.get()]);
    answer();
    expect(await both).toEqual([1, 1]);
    await clock.advance(999);
    expect(await look.get()).toBe(1);
    await clock.advance(1);
    const next = look.get();
    answer();
    expect(await next).toBe(2);
  });

  it("that must be fresh has begun after it was asked for", async () => {
    const { look, answer } = setUp();
    const old = look.get();
    const fresh = look.fresh();
    answer();
    expect(await old).toBe(1);
    await Promise.resolve();
    answer();
    expect(await fresh).toBe(2);
  });

  it("is made anew once something was changed, also one that was under way then", async () => {
    const { look, answer } = setUp();
    const old = look.get();
    look.forget();
    answer();
    expect(await old).toBe(1);
    const next = look.get();
    answer();
    expect(await next).toBe(2);
    expect(await look.get()).toBe(2);
    look.forget();
    const last = look.get();
    answer();
    expect(await last).toBe(3);
  });
});
