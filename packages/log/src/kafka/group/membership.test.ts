import kafkajs from "kafkajs";
import { describe, expect, it } from "vitest";
import { type MemberWords, millraceAssigner } from "./membership.ts";

const { AssignerProtocol } = kafkajs;
const TOPIC = "chat.messages";
const SELF: MemberWords = {
  edge: "edge-1",
  address: "127.0.0.1:0",
  weight: 1,
  isDraining: false,
  owned: [0, 1],
  givenMs: 7,
};

/** Partitions by member, and how many members were not understood. */
async function distributed(
  userData: Readonly<Record<string, string>>,
): Promise<{ shares: Record<string, readonly number[]>; unreadable: number }> {
  let unreadable = 0;
  const assigner = millraceAssigner({
    topic: TOPIC,
    partitions: () => 6,
    pins: () => new Map(),
    self: () => SELF,
    onUnreadable: () => unreadable++,
  })({} as never);
  const members = Object.entries(userData).map(([memberId, text]) => ({
    memberId,
    memberMetadata: AssignerProtocol.MemberMetadata.encode({
      version: 1,
      topics: [TOPIC],
      userData: Buffer.from(text),
    }),
  }));
  const given = await assigner.assign({ members, topics: [TOPIC] });
  const shares = given.map(({ memberId, memberAssignment }) => {
    const decoded = AssignerProtocol.MemberAssignment.decode(memberAssignment);
    return [memberId, decoded?.assignment[TOPIC] ?? []] as const;
  });
  return { shares: Object.fromEntries(shares), unreadable };
}

function words(fields: object = {}): string {
  return JSON.stringify({ v: 1, ...SELF, ...fields });
}

describe("what the members of the group say", () => {
  it("carries its version", () => {
    const assigner = millraceAssigner({
      topic: TOPIC,
      partitions: () => 6,
      pins: () => new Map(),
      self: () => SELF,
    })({} as never);
    const { metadata } = assigner.protocol({ topics: [TOPIC] });
    const { userData } = AssignerProtocol.MemberMetadata.decode(metadata) ?? {};
    expect(JSON.parse(String(userData))).toEqual({ v: 1, ...SELF });
  });

  it("may have fields that are not known here", async () => {
    const newer = words({ edge: "edge-2", owned: [2, 3, 4, 5], zone: "b" });
    const { shares, unreadable } = await distributed({ m1: words(), m2: newer });
    expect(unreadable).toBe(0);
    expect(shares["m1"]).toEqual(expect.arrayContaining([0, 1]));
    expect([...(shares["m1"] ?? []), ...(shares["m2"] ?? [])]).toHaveLength(6);
  });

  it.each([
    ["another version", words({ v: 2, edge: "edge-2", owned: "0-5" })],
    ["no version", JSON.stringify({ ...SELF, edge: "edge-2" })],
    ["partitions that are none", words({ edge: "edge-2", owned: "0-5" })],
    ["a name that is none", words({ edge: 2 })],
    ["a weight that is none", words({ edge: "edge-2", weight: "much" })],
    ["no JSON", "edge-2"],
    ["nothing", ""],
  ])("counts %s as a member that owns nothing yet, and gives it its share", async (_, strange) => {
    const { shares, unreadable } = await distributed({ m1: words(), m2: strange });
    expect(unreadable).toBe(1);
    expect(shares["m1"]).toEqual(expect.arrayContaining([0, 1]));
    expect(shares["m1"]).toHaveLength(3);
    expect(shares["m2"]).toHaveLength(3);
  });
});
