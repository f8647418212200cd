import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AssignmentRequest, type Candidate, assignPartitions } from "./assignment.ts";

const NO_PINS: ReadonlyMap<number, string> = new Map();

function member(edge: string, fields: Partial<Candidate> = {}): Candidate {
  return { edge, weight: 1, isDraining: false, owned: [], givenMs: 0, ...fields };
}

/** What the members have after a distribution. */
function after(request: AssignmentRequest, givenMs: number): Candidate[] {
  const shares = assignPartitions(request);
  return request.candidates.map((candidate) => ({
    ...candidate,
    owned: shares.get(candidate.edge) ?? [],
    givenMs,
  }));
}

describe("the distribution of partitions", () => {
  it("gives each partition to exactly one member, in shares by weight", () => {
    const candidates = [member("a"), member("b", { weight: 2 }), member("c")];
    const shares = assignPartitions({ candidates, partitions: 12, pins: NO_PINS });
    expect([...shares.values()].flat().toSorted((one, other) => one - other)).toEqual(
      Array.from({ length: 12 }, (_, partition) => partition),
    );
    expect([...shares].map(([edge, owned]) => [edge, owned.length])).toEqual([
      ["a", 3],
      ["b", 6],
      ["c", 3],
    ]);
  });

  it("moves only what a newcomer's share takes, and gives it back when that one leaves", () => {
    const two = after({ candidates: [member("a"), member("b")], partitions: 12, pins: NO_PINS }, 1);
    const three = after({ candidates: [...two, member("c")], partitions: 12, pins: NO_PINS }, 2);
    for (const before of two) {
      const now = three.find(({ edge }) => edge === before.edge)?.owned ?? [];
      expect(now).toHaveLength(4);
      expect(before.owned).toEqual(expect.arrayContaining([...now]));
    }
    const again = after({ candidates: three.slice(0, 2), partitions: 12, pins: NO_PINS }, 3);
    for (const now of again) {
      const before = three.find(({ edge }) => edge === now.edge)?.owned ?? [];
      expect(now.owned).toEqual(expect.arrayContaining([...before]));
    }
  });

  it("gives a pinned partition to its edge, and to others while that edge is not there", () => {
    const pins = new Map([[7, "b"]]);
    const both = assignPartitions({ candidates: [member("a"), member("b")], partitions: 12, pins });
    expect(both.get("b")).toContain(7);
    expect(both.get("b")).toHaveLength(6);
    const alone = assignPartitions({ candidates: [member("a")], partitions: 12, pins });
    expect(alone.get("a")).toHaveLength(12);
  });

  it("gives a draining edge nothing as long as there is another", () => {
    const draining = member("a", { isDraining: true, owned: [0, 1, 2], givenMs: 4 });
    const request = { partitions: 3, pins: NO_PINS };
    expect(assignPartitions({ ...request, candidates: [draining, member("b")] })).toEqual(
      new Map([["b", [0, 1, 2]]]),
    );
    expect(assignPartitions({ ...request, candidates: [draining] })).toEqual(
      new Map([["a", [0, 1, 2]]]),
    );
  });

  it("believes the newer of two claims", () => {
    const woken = member("a", { owned: [0, 1, 2, 3], givenMs: 3 });
    const present = member("b", { owned: [0, 1, 2, 3], givenMs: 9 });
    const shares = assignPartitions({ candidates: [woken, present], partitions: 4, pins: NO_PINS });
    expect(shares.get("b")).toEqual([0, 1]);
    expect(shares.get("a")).toEqual([2, 3]);
  });

  it("is whole, fair and the same in any order, whatever the members claim", () => {
    const candidate = fc.record({
      edge: fc.constantFrom("a", "b", "c", "d", "e"),
      weight: fc.integer({ min: 0, max: 4 }),
      isDraining: fc.boolean(),
      owned: fc.uniqueArray(fc.integer({ min: 0, max: 30 })),
      givenMs: fc.integer({ min: 0, max: 9 }),
    });
    const candidates = fc.uniqueArray(candidate, { selector: ({ edge }) => edge, minLength: 1 });
    const pins = fc.uniqueArray(
      fc.tuple(fc.integer({ min: 0, max: 30 }), fc.constantFrom("a", "b", "x")),
      { selector: ([partition]) => partition },
    );
    fc.assert(
      fc.property(candidates, pins, fc.integer({ min: 1, max: 24 }), (members, pinned, count) => {
        const request = { partitions: count, pins: new Map(pinned) };
        const shares = assignPartitions({ ...request, candidates: members });
        const all = [...shares.values()].flat().toSorted((one, other) => one - other);
        expect(all).toEqual(Array.from({ length: count }, (_, partition) => partition));
        const reversed = members.toReversed();
        expect(assignPartitions({ ...request, candidates: reversed })).toEqual(shares);
        // A distribution that is asked for again moves nothing.
        const settled = after({ ...request, candidates: members }, 10);
        expect(assignPartitions({ ...request, candidates: settled })).toEqual(shares);
      }),
    );
  });
});
