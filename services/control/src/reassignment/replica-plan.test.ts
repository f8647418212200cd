import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { spreadReplicas } from "./replica-plan.ts";

function placed(...lists: readonly (readonly number[])[]) {
  return lists.map((replicas, partition) => {
    return { partition, leader: replicas[0] ?? -1, replicas, inSync: replicas };
  });
}

const layout = fc
  .record({ brokers: fc.integer({ min: 1, max: 7 }), replication: fc.integer({ min: 1, max: 3 }) })
  .filter(({ brokers, replication }) => replication <= brokers)
  .chain(({ brokers, replication }) => {
    const all = Array.from({ length: brokers }, (_, index) => index + 1);
    const replicas = fc.shuffledSubarray(all, { minLength: replication, maxLength: replication });
    return fc.record({
      partitions: fc.array(replicas, { minLength: 1, maxLength: 24 }),
      targets: fc.shuffledSubarray(all, { minLength: replication }),
      replication: fc.constant(replication),
    });
  });

describe("the spread of replicas over brokers", () => {
  it("moves nothing where everything is spread already", () => {
    expect(spreadReplicas("t", placed([1, 2], [2, 3], [3, 1]), [1, 2, 3])).toEqual([]);
  });

  it("moves what stands on a broker that is left out, and nothing else", () => {
    const moves = spreadReplicas("t", placed([1, 2], [2, 1], [3, 1], [2, 3]), [1, 2]);
    expect(
      moves.map(({ partition, to }) => [partition, to.toSorted((one, other) => one - other)]),
    ).toEqual([
      [2, [1, 2]],
      [3, [1, 2]],
    ]);
  });

  it("gives a new broker its share of replicas and of leaders", () => {
    const moves = spreadReplicas("t", placed([1, 2], [2, 1], [1, 2]), [1, 2, 3]);
    expect(moves.flatMap(({ to }) => to).filter((broker) => broker === 3)).toHaveLength(2);
  });

  it("keeps the number of replicas, each on a broker of its own, whatever stood where", () => {
    fc.assert(
      fc.property(layout, ({ partitions, targets, replication }) => {
        const after = new Map<number, readonly number[]>(partitions.entries());
        for (const { partition, to } of spreadReplicas("t", placed(...partitions), targets)) {
          after.set(partition, to);
        }
        for (const replicas of after.values()) {
          expect(new Set(replicas).size).toBe(replication);
          expect(replicas.every((broker) => targets.includes(broker))).toBe(true);
        }
        const held = targets.map(
          (broker) => [...after.values()].filter((replicas) => replicas.includes(broker)).length,
        );
        expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
        const led = new Map(
          targets.map((broker) => [
            broker,
            [...after.values()].filter(([first]) => first === broker).length,
          ]),
        );
        for (const [first = 0, ...others] of after.values()) {
          const fewest = Math.min(...others.map((broker) => led.get(broker) ?? 0), Infinity);
          expect((led.get(first) ?? 0) - fewest).toBeLessThan(2);
        }
      }),
    );
  });

  it("finds nothing to do in what it has planned itself", () => {
    fc.assert(
      fc.property(layout, ({ partitions, targets }) => {
        const before = placed(...partitions);
        const moves = spreadReplicas("t", before, targets);
        const moved = new Map(moves.map(({ partition, to }) => [partition, to]));
        const after = placed(
          ...before.map(({ partition, replicas }) => moved.get(partition) ?? replicas),
        );
        const again = spreadReplicas("t", after, targets);
        const copies = again.flatMap(({ from, to }) => to.filter((one) => !from.includes(one)));
        expect(copies).toEqual([]);
        expect(again).toEqual([]);
      }),
    );
  });
});
