import { describe, expect, test } from "vitest";
import { type Costs, type FleetLoad, crossover, usAt } from "./crossover.ts";

/** Round numbers that nobody has measured. */
const COSTS: Costs = {
  read: [{ perS: 1, us: 100 }],
  said: [{ perS: 1, us: 5 }],
  heard: [{ perS: 1, us: 10 }],
  pieceSaid: 10,
  pieceHeard: 10,
  redisSaid: 2,
  redisHeard: 1,
};

const LOAD: FleetLoad = {
  edges: 10,
  interest: 1,
  perS: 100_000,
  partitions: 1,
  conversations: 10_000,
};

describe("direct or relay", () => {
  test("an edge that reads the log pays for each record, whatever it wants", () => {
    for (const interest of [0, 0.5, 1]) {
      expect(crossover({ ...LOAD, interest }, COSTS).direct.cpuPerEdge).toBeCloseTo(10);
    }
  });

  test("an edge that is relayed to pays for what it owns and for what it hears", () => {
    const { relay, choice } = crossover(LOAD, COSTS);
    // 10,000 read and said in a piece each, 100,000 heard in a piece each; no bucket is ever silent.
    expect(relay.cpuPerEdge).toBeCloseTo((10_000 * (100 + 15) + 100_000 * 20) / 1e6);
    expect(relay.redisCpu).toBeCloseTo((100_000 * 2 + 10 * 100_000) / 1e6);
    expect(choice).toBe("relay");
  });

  test("what nobody follows is not said, and costs its owner no more than to read it", () => {
    const { relay } = crossover({ ...LOAD, interest: 0 }, COSTS);
    expect(relay.followed).toBe(0);
    expect(relay.cpuPerEdge).toBeCloseTo((10_000 * 100) / 1e6);
    expect(relay.piecesPerS).toBeCloseTo(0);
  });

  test("without traffic every bucket is still said to be silent, four times a second", () => {
    const { relay, choice } = crossover({ ...LOAD, perS: 1e-6, partitions: 48 }, COSTS);
    expect(relay.piecesPerS).toBeCloseTo(48 * 16 * 4, 0);
    expect(choice).toBe("direct");
  });

  test("one edge alone has nobody to relay to it", () => {
    expect(crossover({ ...LOAD, edges: 1 }, COSTS).choice).toBe("direct");
  });

  test("a bucket is followed as soon as one of its conversations is wanted", () => {
    const few = crossover({ ...LOAD, interest: 0.01, conversations: 16 }, COSTS);
    const many = crossover({ ...LOAD, interest: 0.01, conversations: 16_000 }, COSTS);
    expect(few.relay.followed).toBeCloseTo(0.01);
    expect(many.relay.followed).toBeGreaterThan(0.99);
  });

  test("few conversations are in few buckets, whoever wants them", () => {
    const { relay } = crossover({ ...LOAD, partitions: 48, conversations: 100 }, COSTS);
    expect(relay.followed).toBeLessThan(100 / (48 * 16));
  });

  test("a range in which relay is cheaper is told with its end", () => {
    const costs = {
      ...COSTS,
      heard: [
        { perS: 1, us: 10 },
        { perS: 1_000, us: 10 },
        { perS: 2_000, us: 500 },
      ],
    };
    const { relayWithin } = crossover({ ...LOAD, edges: 100, perS: 500 }, costs);
    const { from = 0, to = 0 } = relayWithin.perS ?? {};
    expect(from).toBeLessThan(1_000);
    expect(to).toBeGreaterThan(1_000);
    expect(to).toBeLessThan(2_000);
  });

  test("it is told where relay begins to be cheaper, and on its other side it is not", () => {
    const { relayWithin } = crossover(LOAD, COSTS);
    expect(relayWithin.edges).toEqual({ from: 2 });
    const { from: perS = 0 } = relayWithin.perS ?? {};
    expect(crossover({ ...LOAD, perS }, COSTS).choice).toBe("relay");
    expect(crossover({ ...LOAD, perS: perS / 1.05 }, COSTS).choice).toBe("direct");
    const dear = { ...COSTS, pieceHeard: 1_000 };
    expect(crossover(LOAD, dear).relayWithin.edges).toBeUndefined();
    const { from: interest = 0 } = crossover(LOAD, dear).relayWithin.interest ?? {};
    expect(interest).toBeGreaterThan(0);
    expect(crossover({ ...LOAD, interest }, dear).choice).toBe("relay");
    expect(crossover({ ...LOAD, interest: interest * 1.05 }, dear).choice).toBe("direct");
  });
});

test("between two measured rates the cost lies on their line, so that more traffic is never cheaper", () => {
  const points = [
    { perS: 100, us: 200 },
    { perS: 10_000, us: 20 },
  ];
  expect(usAt(points, 10)).toBe(2_000);
  expect(usAt(points, 100)).toBe(20_000);
  expect(usAt(points, 5_050)).toBe(110_000);
  expect(usAt(points, 10_000)).toBe(200_000);
  expect(usAt(points, 1e6)).toBe(2e7);
});
