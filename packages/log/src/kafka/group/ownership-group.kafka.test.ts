import { randomUUID } from "node:crypto";
import { delay, silentLogger, systemClock } from "@millrace/runtime";
import { makeTopic, waitFor } from "@millrace/testkit";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import type { Ownership, OwnershipMember } from "../../ownership.ts";
import { createOwnershipGroup } from "./ownership-group.ts";

const PARTITIONS = 12;

/** Some heartbeats, in which a member would join again if it wanted to. */
const QUIET_MS = 1_500;

describe("the group that decides who owns which partition", () => {
  let admin: Admin;
  let topic: string;
  let groupId: string;
  let pins: Map<number, string>;
  /** Whoever leads asks for the partitions once in each distribution. */
  let distributions: number;
  const members = new Map<string, Ownership>();

  beforeEach(async () => {
    const kafka = new Kafka({ brokers: inject("kafkaBrokers"), logLevel: logLevel.NOTHING });
    admin = kafka.admin();
    topic = `ownership-${randomUUID()}`;
    groupId = `${topic}.edges`;
    pins = new Map();
    distributions = 0;
    await admin.connect();
    await makeTopic(inject("kafkaBrokers"), { topic, numPartitions: PARTITIONS });
  });

  afterEach(async () => {
    await Promise.all([...members.values()].map((member) => member.leave()));
    members.clear();
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
  });

  function join(edge: string, fields: Partial<OwnershipMember> = {}): Ownership {
    const plain = { edge, address: "127.0.0.1:0", weight: 1, isDraining: false };
    const member = createOwnershipGroup({
      brokers: inject("kafkaBrokers"),
      topic,
      groupId,
      partitions: () => {
        distributions += 1;
        return PARTITIONS;
      },
      pins: () => pins,
      // Read anew each time: a test may change them.
      self: () => ({ ...plain, ...fields }),
      clock: systemClock,
      logger: silentLogger,
    });
    members.set(edge, member);
    member.join();
    return member;
  }

  const sizes = (): number[] => [...members.values()].map(({ owned }) => owned.size);
  const all = (): number[] => [...members.values()].flatMap(({ owned }) => [...owned]);
  const isWhole = (): boolean => all().length === PARTITIONS && new Set(all()).size === PARTITIONS;

  it("spreads the partitions over whoever is there, and moves no more than it must", async () => {
    const first = join("edge-1");
    await waitFor(() => first.owned.size === PARTITIONS, { what: "one edge owns all" });
    join("edge-2");
    await waitFor(() => isWhole() && sizes().every((size) => size === 6), { what: "halves" });
    const before = new Map([...members].map(([edge, { owned }]) => [edge, owned]));
    const third = join("edge-3");
    await waitFor(() => isWhole() && third.owned.size === 4, { what: "thirds" });
    for (const edge of ["edge-1", "edge-2"]) {
      expect([...(before.get(edge) ?? [])]).toEqual(
        expect.arrayContaining([...(members.get(edge)?.owned ?? [])]),
      );
    }
    await third.leave();
    expect(third.owned.size).toBe(0);
    await waitFor(() => isWhole() && sizes().includes(6), { what: "halves again" });
    for (const [edge, owned] of before) {
      expect([...owned].every((partition) => members.get(edge)?.owned.has(partition))).toBe(true);
    }
  });

  it("distributes anew exactly once for pins of which every member hears, and once for a weight", async () => {
    const fields = { weight: 1 };
    join("edge-1");
    const second = join("edge-2", fields);
    join("edge-3");
    await waitFor(() => isWhole() && sizes().every((size) => size === 4), { what: "thirds" });
    const before = distributions;
    const wanted = [...all()].filter((partition) => !second.owned.has(partition)).slice(0, 2);
    for (const partition of wanted) pins.set(partition, "edge-2");
    for (const member of members.values()) member.refresh();
    const hasBoth = (): boolean => wanted.every((partition) => second.owned.has(partition));
    await waitFor(() => isWhole() && hasBoth(), { what: "the pinned partitions" });
    fields.weight = 4;
    for (const member of members.values()) member.refresh();
    await waitFor(() => isWhole() && second.owned.size === 8, { what: "a share by weight" });
    // Nothing else moves it: told again of what is known, nobody joins again.
    for (const member of members.values()) member.refresh();
    await delay(systemClock, QUIET_MS);
    expect(distributions).toBe(before + 2);
  });

  it("takes back a member that has left, and one that is told so while it leaves", async () => {
    const first = join("edge-1");
    const second = join("edge-2");
    await waitFor(() => isWhole() && second.owned.size === 6, { what: "halves" });
    await second.leave();
    await waitFor(() => first.owned.size === PARTITIONS, { what: "one edge owns all" });
    second.join();
    await waitFor(() => isWhole() && second.owned.size === 6, { what: "halves again" });
    const left = second.leave();
    second.join();
    await left;
    await waitFor(() => isWhole() && second.owned.size === 6, { what: "halves for good" });
  });

  it("honours a pin once somebody joins again", async () => {
    join("edge-1");
    const second = join("edge-2");
    await waitFor(() => isWhole() && sizes().every((size) => size === 6), { what: "halves" });
    const other = [...(members.get("edge-1")?.owned ?? [])][0] ?? 0;
    pins.set(other, "edge-2");
    second.rejoin();
    await waitFor(() => isWhole() && second.owned.has(other), { what: "the pinned partition" });
  });

  it("shows the usual tools how far each partition was handed on", async () => {
    const member = join("edge-1");
    await waitFor(() => member.owned.size === PARTITIONS, { what: "one edge owns all" });
    member.progressed(3, 42n);
    await waitFor(
      async () => {
        const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
        return committed?.partitions.find(({ partition }) => partition === 3)?.offset === "42";
      },
      { what: "the committed offset" },
    );
  });
});
