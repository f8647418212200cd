import { silentLogger } from "@millrace/runtime";
import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../limits.ts";
import { createMetrics } from "../metrics.ts";
import { planMemory } from "./memory-plan.ts";
import { systemProbe } from "./process-probe.ts";
import { Vitals } from "./vitals.ts";

const MIB = 1_048_576;
const MEMORY_BYTES = 1_000 * MIB;
const DESCRIPTORS_MAX = 512;

function world(): {
  readonly clock: FakeClock;
  readonly state: { rss: number; heap: number; open: number; isListening: boolean };
  readonly vitals: Vitals;
} {
  const clock = new FakeClock();
  const state = { rss: 100 * MIB, heap: 0.1, open: 50, isListening: true };
  const vitals = new Vitals({
    clock,
    limits: LIMITS,
    logger: silentLogger,
    metrics: createMetrics(),
    memoryBytes: MEMORY_BYTES,
    probe: {
      memoryBytes: MEMORY_BYTES,
      sendBufferBytes: 4 * MIB,
      descriptorsMax: DESCRIPTORS_MAX,
      // What it holds itself is open, too.
      descriptors: () => state.open + held(vitals),
      rssBytes: () => state.rss,
      heapShare: () => state.heap,
    },
    listen: (isListening) => {
      state.isListening = isListening;
      return true;
    },
  });
  return { clock, state, vitals };
}

/** While it listens it holds a third of the reserve. */
function held(vitals: Vitals | undefined): number {
  return vitals?.isHolding === true ? LIMITS.descriptorReserve / 3 : 0;
}

describe("the edge looks at what it may run out of", () => {
  it("is short of memory from a share on, resident or V8's, and until it is well below", async () => {
    const { clock, state, vitals } = world();
    await clock.advance(1_000);
    expect(vitals.shortage).toBeUndefined();
    state.rss = MEMORY_BYTES * LIMITS.memoryShareMax;
    await clock.advance(100);
    expect([vitals.shortage, vitals.isShort]).toEqual(["memory", true]);
    state.rss -= MIB;
    await clock.advance(100);
    expect(vitals.shortage).toBe("memory");
    state.rss = MEMORY_BYTES / 2;
    await clock.advance(100);
    expect(vitals.shortage).toBeUndefined();
    state.heap = LIMITS.memoryShareMax;
    await clock.advance(100);
    expect(vitals.shortage).toBe("memory");
    vitals.stop();
  });

  it("keeps newcomers off the last descriptors, and stops listening before there is none", async () => {
    const { clock, state, vitals } = world();
    await clock.advance(100);
    state.open = DESCRIPTORS_MAX - LIMITS.descriptorReserve + 1;
    // Without waiting for the next look.
    expect([vitals.shortage, state.isListening]).toEqual(["descriptors", true]);
    state.open = DESCRIPTORS_MAX - 1 - LIMITS.descriptorReserve / 3;
    await clock.advance(100);
    expect(state.isListening).toBe(true);
    state.open = DESCRIPTORS_MAX - LIMITS.descriptorReserve / 3;
    await clock.advance(100);
    expect([vitals.shortage, state.isListening, vitals.isHolding]).toEqual([
      "descriptors",
      false,
      false,
    ]);
    state.open = DESCRIPTORS_MAX - LIMITS.descriptorReserve - 1;
    await clock.advance(100);
    expect(state.isListening).toBe(false);
    state.open = DESCRIPTORS_MAX - 2 * LIMITS.descriptorReserve;
    await clock.advance(100);
    expect([vitals.shortage, state.isListening, vitals.isHolding]).toEqual([undefined, true, true]);
    vitals.stop();
  });

  it("takes one late turn for nothing, and many for too much work", async () => {
    const { clock, vitals } = world();
    await clock.advance(1_000);
    clock.freeze(700);
    await clock.advance(10);
    expect(vitals.shortage).toBeUndefined();
    for (let turn = 0; turn < 8; turn++) {
      clock.freeze(1_000);
      await clock.advance(1);
    }
    expect([vitals.shortage, vitals.isShort]).toEqual(["loop", false]);
    await clock.advance(1_000);
    expect(vitals.shortage).toBeUndefined();
    vitals.stop();
  });

  it("asks the system what it says", () => {
    expect(systemProbe.descriptors()).toBeGreaterThan(2);
    expect(systemProbe.descriptorsMax).toBeGreaterThan(systemProbe.descriptors());
    expect(systemProbe.rssBytes()).toBeLessThan(systemProbe.memoryBytes);
    expect(systemProbe.sendBufferBytes).toBeGreaterThan(65_536);
    expect(systemProbe.heapShare()).toBeLessThan(1);
  });
});

describe("the bounds added up", () => {
  const sendBufferBytes = 4 * MIB;

  it("The bounds together stay within the memory that there is", () => {
    for (const mib of [1_024, 4_096, 65_536]) {
      const plan = planMemory(LIMITS, { budgetBytes: mib * MIB, sendBufferBytes });
      const fixed = Object.values(plan.fixed).reduce((sum, bytes) => sum + bytes, 0);
      const sum = fixed + plan.connections * plan.connectionBytes;
      expect(sum).toBeLessThanOrEqual(mib * MIB);
      expect(plan.connections).toBeLessThanOrEqual(LIMITS.connectionsMax);
      expect(plan.fullBytes).toBeGreaterThan(sendBufferBytes + LIMITS.bufferedBytesMax);
      expect(plan.ownBytes).toBeLessThan(mib * MIB);
    }
  });

  it("A memory that holds too little of them is told what to change", () => {
    const tight = (): unknown => planMemory(LIMITS, { budgetBytes: 512 * MIB, sendBufferBytes });
    expect(tight).toThrow(/512 MiB is too little: .* MiB for 100 connections .*EDGE_MEMORY_MB/);
    const lowered = {
      ...LIMITS,
      rulingsMax: 1_000,
      dedupKeysMax: 100_000,
      pendingCursorsMax: 1_000,
    };
    const roomier = { ...lowered, historyScansMax: 2, httpRequestsMax: 16, checksPendingMax: 100 };
    const plan = planMemory(roomier, { budgetBytes: 640 * MIB, sendBufferBytes });
    expect(plan.connections).toBeGreaterThan(500);
  });
});
