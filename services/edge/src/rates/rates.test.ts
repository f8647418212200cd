import type { UserId } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { LIMITS, assertLimits, withPublishRate } from "../limits.ts";
import { FrameRate } from "./frame-rate.ts";
import { PublishRates } from "./publish-rates.ts";
import type { RateLedger } from "./rate-ledger.ts";

const { publishBurst, publishPerSec, framesPerSec } = LIMITS.announced;
const [ALICE, BOB] = ["alice", "bob"] as UserId[] as [UserId, UserId];

/** The others never hear of anything. */
const SILENT: RateLedger = { charge: () => Promise.resolve(undefined) };

function takeAll(rate: { take(): number }): number {
  let taken = 0;
  while (rate.take() === 0) taken += 1;
  return taken;
}

describe("the publishes of a user", () => {
  it("come in one burst over all connections, then at the rate", async () => {
    const clock = new FakeClock();
    const rates = new PublishRates(clock, LIMITS, SILENT);
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
    const rates = new PublishRates(clock, LIMITS, SILENT);
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

describe("the publishes of a user on several edges", () => {
  /** What Redis does, on the same clock, and answers after `delayMs`. */
  class FakeLedger implements RateLedger {
    readonly #clock: FakeClock;
    readonly #delayMs: number;
    #tokens = publishBurst;
    #filledAtMs = 0;
    charged = 0;

    constructor(clock: FakeClock, delayMs: number) {
      this.#clock = clock;
      this.#delayMs = delayMs;
    }

    async charge(_: UserId, publishes: number): Promise<number> {
      this.charged += publishes;
      const nowMs = this.#clock.nowMs();
      const more = ((nowMs - this.#filledAtMs) * publishPerSec) / 1_000;
      this.#tokens = Math.min(publishBurst, this.#tokens + more) - publishes;
      this.#filledAtMs = nowMs;
      const left = this.#tokens;
      await new Promise<void>((resolve) => this.#clock.after(this.#delayMs, resolve));
      return left;
    }
  }

  it("together keep to the rate, whatever the edges took before they heard of each other", async () => {
    const clock = new FakeClock();
    const ledger = new FakeLedger(clock, 5);
    const edges = Array.from({ length: 4 }, () =>
      new PublishRates(clock, LIMITS, ledger).join(ALICE),
    );
    let taken = 0;
    const seconds = 30;
    for (let ms = 0; ms < seconds * 1_000; ms += 10) {
      for (const edge of edges) taken += takeAll(edge);
      await clock.advance(10);
    }
    const allowed = publishPerSec * seconds;
    expect(taken).toBeLessThanOrEqual(allowed + edges.length * publishBurst);
    // Nobody gets less than the rate either.
    expect(taken).toBeGreaterThanOrEqual(allowed);
    expect(ledger.charged).toBeGreaterThan(taken - edges.length * LIMITS.publishesPerReport);
  });

  it("are told when the user leaves, however few they were", async () => {
    const clock = new FakeClock();
    const ledger = new FakeLedger(clock, 0);
    const rates = new PublishRates(clock, LIMITS, ledger);
    for (let visit = 0; visit < 3; visit++) {
      const rate = rates.join(ALICE);
      rate.take();
      rate.leave();
      await clock.advance(1_000);
    }
    rates.join(BOB);
    expect(ledger.charged).toBe(3);
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

  it("cost more where a message is long, and a debt is waited for", async () => {
    const clock = new FakeClock();
    const rate = new FrameRate(clock, LIMITS);
    rate.spend(LIMITS.bytesPerFrame - 1);
    rate.spend(10 * LIMITS.bytesPerFrame);
    expect(takeAll(rate)).toBe(LIMITS.frameBurst - 10);
    rate.spend(framesPerSec * LIMITS.bytesPerFrame);
    expect(rate.take()).toBeGreaterThan(1_000);
    await clock.advance(1_000);
    expect(rate.take()).toBeGreaterThan(0);
    await clock.advance(1_000);
    expect(rate.take()).toBe(0);
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
