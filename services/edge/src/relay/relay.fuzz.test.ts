import { FakeClock } from "@millrace/testkit";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CALM, KEYS, RelayWorld } from "../testing/relay-world.ts";

const EDGES = 3;

type Step =
  | { readonly do: "append"; readonly key: number; readonly count: number }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "own"; readonly owners: readonly number[] }
  | { readonly do: "follow" | "unfollow"; readonly edge: number; readonly key: number }
  | { readonly do: "freeze" | "thaw" | "deafen" | "hear"; readonly edge: number }
  | {
      readonly do: "weather";
      readonly loss: number;
      readonly doubles: number;
      readonly delayMs: number;
    };

const edge = fc.integer({ min: 0, max: EDGES - 1 });
const key = fc.integer({ min: 0, max: KEYS.length - 1 });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      key,
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 3, 10, 40, 120, 300, 1_200),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("own" as const),
      owners: fc.uniqueArray(edge, { maxLength: 2 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("follow" as const, "follow" as const, "unfollow" as const),
      edge,
      key,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("freeze" as const, "thaw" as const, "deafen" as const, "hear" as const),
      edge,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("weather" as const),
      loss: fc.constantFrom(0, 0.2, 0.6),
      doubles: fc.constantFrom(0, 0.3),
      delayMs: fc.constantFrom(1, 20, 400),
    }),
  },
);

async function act(world: RelayWorld, now: Step): Promise<void> {
  switch (now.do) {
    case "append":
      for (let count = 0; count < now.count; count++) world.append(KEYS[now.key] ?? "");
      return;
    case "wait":
      return world.clock.advance(now.ms);
    case "own":
      for (const [index, one] of world.edges.entries()) one.own(now.owners.includes(index));
      return;
    case "weather":
      world.weather = now;
      return;
    case "follow":
    case "unfollow":
      return world.edges[now.edge]?.[now.do](KEYS[now.key] ?? "");
    case "freeze":
    case "thaw":
      return world.edges[now.edge]?.[now.do]();
    case "deafen":
    case "hear":
      return world.edges[now.edge]?.deafen(now.do === "deafen");
  }
}

async function live(steps: readonly Step[], seed: number): Promise<void> {
  const world = new RelayWorld({ clock: new FakeClock(), edges: EDGES, random: seeded(seed) });
  await world.start();
  world.edges[0]?.own(true);
  for (const one of world.edges) for (const name of KEYS.slice(0, 2)) one.follow(name);
  await world.clock.advance(2_500);
  try {
    for (const now of steps) {
      await act(world, now);
      expect(world.offence({ atRest: false })).toBeUndefined();
    }
    for (const one of world.edges) {
      one.thaw();
      one.deafen(false);
    }
    world.weather = CALM;
    await world.clock.advance(5_000);
    expect(world.offence({ atRest: true })).toBeUndefined();
  } finally {
    await world.stop();
  }
}

/** Mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe("edges that relay to each other", () => {
  it("hand on every record once and in order, whatever owners, network and processes do", async () => {
    const steps = fc.array(step, { minLength: 20, maxLength: 100 });
    const runs = process.env["MILLRACE_FULL"] === "1" ? 5_000 : 200;
    await fc.assert(fc.asyncProperty(steps, fc.integer(), live), { numRuns: runs });
  }, 600_000);

  it("leave the log to the owner once the relay is heard, and read it again when it is silent", async () => {
    const world = new RelayWorld({ clock: new FakeClock(), edges: 2, random: seeded(1) });
    const [owner, other] = world.edges;
    await world.start();
    owner?.own(true);
    other?.follow(KEYS[0] ?? "");
    await world.clock.advance(3_000);
    expect(other?.isDirect).toBe(false);
    expect(owner?.isDirect).toBe(true);
    world.append(KEYS[0] ?? "");
    await world.clock.advance(100);
    expect(world.offence({ atRest: true })).toBeUndefined();
    owner?.freeze();
    world.append(KEYS[0] ?? "");
    await world.clock.advance(1_500);
    expect(other?.isDirect).toBe(true);
    expect(other?.handed.get([...(other?.handed.keys() ?? [])][0] ?? 0)?.offsets).toHaveLength(2);
    owner?.thaw();
    await world.clock.advance(3_000);
    expect(other?.isDirect).toBe(false);
    expect(world.offence({ atRest: true })).toBeUndefined();
    await world.stop();
  });
});
