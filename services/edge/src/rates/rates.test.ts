import type { UserId } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { LIMITS, assertLimits, withPublishRate } from "../limits.ts";
import { FrameRate } from "./frame-rate.ts";
import { PublishRates } from "./publish-rates.ts";

const { publishBurst, publishPerSec, framesPerSec } = LIMITS.announced;
const [ALICE, BOB] = ["alice", "bob"] as UserId[] as [UserId, UserId];

function takeAll(rate: { take(): number }): number {
  let taken = 0;
  while (rate.take() === 0) taken += 1;
  return taken;
}

describe("the publishes of a user", () => {
  it("come in one burst over all connections, then at the rate", async () => {
    const clock = new FakeClock();
    const rates = new PublishRates(clock, LIMITS);
    const [one, two, other] = [rates.join(ALICE), rates.join(ALICE), rates.join(BOB)];
    expect(takeAll(one)).toBe(publishBurst);
    expect(two.take()).toBe(1_000 / publishPerSec);
    expect(other.take()).toBe(0);
    await clock.advance(two.take());
    expect(two.take()).toBe(0);
    expect(one.take()).toBeGreaterThan(0);
    await clock.advance(10_000);
    expect(takeAll(one) + takeAll(two)).toBe(publishBurst);
  });

  it("are not forgotten by connecting again, only by resting", async () => {
    const clock = new FakeClock();
    const rates = new PublishRates(clock, LIMITS);
    const first = rates.join(ALICE);
    takeAll(first);
    first.leave();
    expect(takeAll(rates.join(ALICE))).toBe(0);
    for (let index = 0; index < 1_000; index++) {
      const guest = rates.join(`guest-${index}` as UserId);
      guest.take();
      guest.leave();
    }
    expect(rates.size).toBe(1_001);
    await clock.advance(1_000);
    rates.join(BOB);
    expect(rates.size).toBe(2);
  });
});

describe("the frames of a connection", () => {
  it("are refused beyond the bucket, and a flood is one that goes on regardless", async () => {
    const clock = new FakeClock();
    const rate = new FrameRate(clock, LIMITS);
    expect(takeAll(rate)).toBe(LIMITS.frameBurst);
    for (let refused = 2; refused < LIMITS.floodRefusals; refused++) rate.take();
    expect(rate.isFlood).toBe(false);
    await clock.advance(1_000);
    expect(takeAll(rate)).toBe(framesPerSec);
    expect(rate.isFlood).toBe(true);
  });

  it("are no flood when the refusals are spread", async () => {
    const clock = new FakeClock();
    const rate = new FrameRate(clock, LIMITS);
    for (let round = 0; round < 5; round++) {
      takeAll(rate);
      for (let more = 0; more < 50; more++) rate.take();
      expect(rate.isFlood).toBe(false);
      await clock.advance(LIMITS.floodMs);
    }
  });

  it("grow with the rate of publishes that the operator chooses", () => {
    const raised = withPublishRate(LIMITS, { publishPerSec: 10_000, publishBurst: 500_000 });
    expect(() => assertLimits(raised)).not.toThrow();
    expect(withPublishRate(LIMITS, { publishPerSec, publishBurst })).toEqual(LIMITS);
  });
});
