import { FakeClock } from "@millrace/testkit";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Alarm, Wheel } from "./wheel.ts";

const TICK_MS = 10;
const SLOTS = 8;

class Bell implements Alarm {
  slot: Set<Alarm> | undefined;
  dueAtMs = 0;
  readonly rungMs: number[] = [];
  onRing: (nowMs: number) => void = () => undefined;

  ring(nowMs: number): void {
    this.rungMs.push(nowMs);
    this.onRing(nowMs);
  }
}

function setUp() {
  const clock = new FakeClock();
  const late: number[] = [];
  const onTurn = (lateMs: number): unknown => late.push(lateMs);
  return { clock, late, wheel: new Wheel({ clock, tickMs: TICK_MS, slots: SLOTS, onTurn }) };
}

describe("a wheel", () => {
  it("rings each alarm once, never early, and at most one tick late", async () => {
    const step = fc.record({
      delayMs: fc.integer({ min: 0, max: 3 * SLOTS * TICK_MS }),
      waitMs: fc.integer({ min: 0, max: 25 }),
      cancels: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { clock, wheel } = setUp();
        const bells: { bell: Bell; dueMs: number; isCancelled: boolean }[] = [];
        for (const { delayMs, waitMs, cancels } of steps) {
          const bell = new Bell();
          const dueMs = clock.nowMs() + delayMs;
          wheel.set(bell, dueMs);
          await clock.advance(waitMs);
          const isCancelled = cancels && bell.rungMs.length === 0;
          if (isCancelled) wheel.cancel(bell);
          bells.push({ bell, dueMs, isCancelled });
        }
        await clock.advance(4 * SLOTS * TICK_MS);
        expect(wheel.size).toBe(0);
        for (const { bell, dueMs, isCancelled } of bells) {
          expect(bell.rungMs).toHaveLength(isCancelled ? 0 : 1);
          const [atMs = dueMs] = bell.rungMs;
          expect(atMs).toBeGreaterThanOrEqual(dueMs);
          expect(atMs).toBeLessThanOrEqual(dueMs + TICK_MS);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("lets an alarm that rings set itself anew, and silence its neighbour", async () => {
    const { clock, wheel } = setUp();
    const [first, second, third] = [new Bell(), new Bell(), new Bell()];
    wheel.set(first, 5);
    wheel.set(second, 5);
    wheel.set(third, 5);
    first.onRing = (nowMs) => {
      wheel.cancel(second);
      if (first.rungMs.length < 3) wheel.set(first, nowMs);
    };
    await clock.advance(100);
    expect(first.rungMs).toEqual([10, 20, 30]);
    expect(second.rungMs).toEqual([]);
    expect(third.rungMs).toEqual([10]);
    expect(wheel.size).toBe(0);
  });

  it("rings what fell due while it was held back once, and says how late that is", async () => {
    const { clock, wheel, late } = setUp();
    const [due, far] = [new Bell(), new Bell()];
    wheel.set(due, 15);
    wheel.set(far, 10_000);
    await clock.advance(12);
    clock.freeze(1_000);
    await clock.advance(TICK_MS);
    expect(due.rungMs).toHaveLength(1);
    expect(Math.max(...late)).toBeGreaterThan(900);
    expect(far.rungMs).toEqual([]);
    await clock.advance(9_000);
    expect(far.rungMs).toEqual([10_000]);
  });
});
