import { seededRandom } from "@millrace/runtime";
import { FakeClock } from "@millrace/testkit";
import * as fc from "fast-check";
import { CALM, KEYS, RelayWorld } from "./relay-world.ts";

const EDGES = 3;

/** What begins and ends for one edge alone. */
const TROUBLES = ["freeze", "thaw", "deafen", "hear", "sever", "mend", "pause", "resume"] as const;

type Step =
  | { readonly do: "append"; readonly key: number; readonly count: number }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "own"; readonly owners: readonly number[] }
  | { readonly do: "follow" | "unfollow"; readonly edge: number; readonly key: number }
  | { readonly do: (typeof TROUBLES)[number]; readonly edge: number }
  | { readonly do: "recreate" | "retain" }
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
      do: fc.constantFrom(...TROUBLES),
      edge,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom("recreate" as const, "retain" as const, "retain" as const),
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
    case "recreate":
    case "retain":
      return world[now.do]();
    case "follow":
    case "unfollow":
      return world.edges[now.edge]?.[now.do](KEYS[now.key] ?? "");
    case "freeze":
    case "thaw":
    case "pause":
    case "resume":
      return world.edges[now.edge]?.[now.do]();
    case "deafen":
    case "hear":
      return world.edges[now.edge]?.deafen(now.do === "deafen");
    case "sever":
    case "mend":
      return world.edges[now.edge]?.sever(now.do === "sever");
  }
}

async function live(steps: readonly Step[], seed: number): Promise<void> {
  const world = new RelayWorld({
    clock: new FakeClock(),
    edges: EDGES,
    random: seededRandom(seed),
  });
  await world.start();
  world.edges[0]?.own(true);
  for (const one of world.edges) for (const name of KEYS.slice(0, 2)) one.follow(name);
  await world.clock.advance(2_500);
  try {
    for (const now of steps) {
      await act(world, now);
      demand(world.offence({ atRest: false }));
    }
    for (const one of world.edges) {
      one.thaw();
      one.deafen(false);
      one.resume();
    }
    world.weather = CALM;
    // Whoever is cut off from the log, owner or not, keeps nothing from the others.
    await world.clock.advance(6_000);
    demand(world.offence({ atRest: true }));
    for (const one of world.edges) one.sever(false);
    await world.clock.advance(5_000);
    demand(world.offence({ atRest: true }));
  } finally {
    await world.stop();
  }
}

function demand(offence: string | undefined): void {
  if (offence !== undefined) throw new Error(offence);
}

/**
 * Random histories of edges that relay to each other: owners come, go and double, processes freeze,
 * the network loses, doubles and delays, the log is cut at its start or made anew, operators pause single
 * edges, as one does that hears late of an order. Each edge hands on
 * every record of what it follows once and in order, and at rest all of them.
 */
export function checkRelay(options: {
  readonly runs: number;
  readonly isShrunk: boolean;
}): Promise<fc.RunDetails<[readonly Step[], number]>> {
  const { runs, isShrunk } = options;
  const steps = fc.array(step, { minLength: 20, maxLength: 100 });
  return fc.check(fc.asyncProperty(steps, fc.integer(), live), {
    numRuns: runs,
    endOnFailure: !isShrunk,
  });
}
