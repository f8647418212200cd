import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../limits.ts";
import type { Shortage } from "../vitals/vitals.ts";
import { Newcomers } from "./newcomers.ts";
import { RefusalError } from "./refusal.ts";

const BOUNDS = { handshakesPerSec: 10, handshakeBurst: 5, checksPendingMax: 2, connectionsMax: 3 };

function newcomers(shortage: () => Shortage | undefined = () => undefined): {
  readonly door: Newcomers;
  readonly clock: FakeClock;
} {
  const clock = new FakeClock();
  const limits = { ...LIMITS, ...BOUNDS };
  return { door: new Newcomers({ clock, limits, random: () => 0.99, shortage }), clock };
}

function limitOf(step: () => unknown): unknown {
  try {
    step();
  } catch (error) {
    if (error instanceof RefusalError) return [error.refusal.status, error.refusal.limit];
    throw error;
  }
  return undefined;
}

describe("newcomers", () => {
  it("are let in at a rate, and those who prove nobody give their turn back", async () => {
    const { door, clock } = newcomers();
    for (let stranger = 0; stranger < 100; stranger++) door.handshake()();
    for (let user = 0; user < BOUNDS.handshakeBurst; user++) door.handshake();
    expect(limitOf(() => door.handshake())).toEqual([503, "handshakes"]);
    await clock.advance(100);
    expect(limitOf(() => door.handshake())).toBeUndefined();
  });

  it("have no room beyond the connections that there may be, until one leaves", () => {
    const { door } = newcomers();
    const [leave] = [door.enter(), door.enter(), door.enter()];
    expect(limitOf(() => door.checkRoom())).toEqual([503, "connections"]);
    expect(limitOf(() => door.checkPlace())).toEqual([503, "connections"]);
    leave?.();
    expect(limitOf(() => door.checkRoom())).toBeUndefined();
  });

  it("are told what the edge is short of, and to come back at different times", () => {
    for (const shortage of ["memory", "descriptors", "loop"] as const) {
      const limit = shortage === "loop" ? "loopLate" : shortage;
      expect(limitOf(() => newcomers(() => shortage).door.checkRoom())).toEqual([503, limit]);
    }
  });

  it("wait for their check only so many at once", async () => {
    const { door } = newcomers();
    const gate: { open?: () => void } = {};
    const waiting = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    const both = [door.whilePending(() => waiting), door.whilePending(() => waiting)];
    await expect(door.whilePending(() => waiting)).rejects.toBeInstanceOf(RefusalError);
    gate.open?.();
    await Promise.all(both);
    await expect(door.whilePending(() => Promise.resolve(1))).resolves.toBe(1);
  });
});
