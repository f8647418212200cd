import { randomUUID } from "node:crypto";
import { silentLogger, systemClock } from "@millrace/runtime";
import { ownershipGroupOf } from "@millrace/schemas";
import { KafkaCluster, makeTopic, waitFor } from "@millrace/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createOwnershipGroup } from "../group/ownership-group.ts";
import { ClusterAdmin } from "./cluster-admin.ts";

const PARTITIONS = 4;

let cluster: KafkaCluster;
let admin: ClusterAdmin;
/** One that keeps its leaders when the third broker is gone. */
let healthy: string;

beforeAll(async () => {
  cluster = await KafkaCluster.start({ brokers: 3 });
  admin = new ClusterAdmin({ brokers: cluster.brokers, clientId: "test" });
});

afterAll(async () => {
  admin.close();
  await cluster.stop();
});

async function topicOn(brokers: readonly number[]): Promise<string> {
  const topic = `admin-${randomUUID()}`;
  const replicaAssignment = Array.from({ length: PARTITIONS }, (_, partition) => {
    return { partition, replicas: [...brokers] };
  });
  const configEntries = [{ name: "retention.ms", value: "86400000" }];
  await makeTopic(cluster.brokers, { topic, replicaAssignment, configEntries });
  return topic;
}

describe("what operators see of a cluster, and change in it", () => {
  it("tells who was given which partitions, in each member's own words", async () => {
    const topic = await topicOn([1, 2]);
    const groupId = ownershipGroupOf(topic);
    const members = ["edge-1", "edge-2"].map((edge, index) =>
      createOwnershipGroup({
        brokers: cluster.brokers,
        topic,
        groupId,
        partitions: () => PARTITIONS,
        self: () => ({ edge, address: `host:${index}`, weight: index + 1, isDraining: false }),
        clock: systemClock,
        logger: silentLogger,
      }),
    );
    // The topic in which the cluster keeps its groups is made with the first of them.
    const none = await waitFor(
      () => admin.describeOwnership(groupId, topic).catch(() => undefined),
      { what: "the coordinator answers" },
    );
    expect(none.members).toEqual([]);
    for (const member of members) member.join();
    const whole = await waitFor(
      async () => {
        const description = await admin.describeOwnership(groupId, topic);
        const given = description.members.flatMap(({ partitions }) => partitions);
        return description.members.length === 2 && given.length === PARTITIONS && description;
      },
      { what: "both own something" },
    );
    expect(whole.state).toBe("Stable");
    const words = whole.members
      .map((member) => member.words)
      .toSorted((one, other) => {
        return (one?.weight ?? 0) - (other?.weight ?? 0);
      });
    expect(words).toMatchObject([
      { edge: "edge-1", address: "host:0", weight: 1, isDraining: false },
      { edge: "edge-2", address: "host:1", weight: 2, isDraining: false },
    ]);
    await Promise.all(members.map((member) => member.leave()));
  });

  it("changes the settings that are named, and no other ones", async () => {
    const topic = await topicOn([1, 2]);
    const settings = { "leader.replication.throttled.replicas": "0:1,1:2" };
    await admin.changeSettings([
      { kind: "TOPIC", name: topic, settings },
      { kind: "BROKER", name: "2", settings: { "leader.replication.throttled.rate": "1000000" } },
    ]);
    const whenRead = async (kind: "TOPIC" | "BROKER", name: string, count: number) =>
      waitFor(
        async () => {
          const found = (await admin.settingsOf(kind, [name])).get(name);
          const throttles = [...(found ?? [])].filter(([key]) => key.includes("throttled"));
          return throttles.length === count && Object.fromEntries(found ?? []);
        },
        { what: `${count} throttles of ${name}` },
      );
    expect(await whenRead("TOPIC", topic, 1)).toEqual({ "retention.ms": "86400000", ...settings });
    await whenRead("BROKER", "2", 1);
    await whenRead("BROKER", "1", 0);
    await admin.changeSettings([
      {
        kind: "TOPIC",
        name: topic,
        settings: { "leader.replication.throttled.replicas": null },
      },
      { kind: "BROKER", name: "2", settings: { "leader.replication.throttled.rate": null } },
    ]);
    expect(await whenRead("TOPIC", topic, 0)).toEqual({ "retention.ms": "86400000" });
    await whenRead("BROKER", "2", 0);
    const missing = { kind: "TOPIC", name: "nowhere", settings } as const;
    await expect(admin.changeSettings([missing])).rejects.toThrow("nowhere");
  });

  it("moves replicas from broker to broker", async () => {
    const topic = await topicOn([1, 2]);
    const placements = [0, 1].map((partition) => ({ topic, partition, replicas: [3, 1] }));
    await admin.reassign(placements);
    await waitFor(
      async () => {
        const { topics } = await admin.describe([topic]);
        const moved = topics.get(topic)?.filter(({ replicas }) => replicas.join() === "3,1");
        return moved?.length === 2 && (await admin.reassignments()).length === 0;
      },
      { what: "both are where they were moved to" },
    );
    const half = [0, PARTITIONS].map((partition) => ({ topic, partition, replicas: [1, 2] }));
    await expect(admin.reassign(half)).rejects.toThrow(`1 of 2 have begun; ${topic} ${PARTITIONS}`);
  });

  it("waits longer for a change than looks at the same broker wait", async () => {
    const patient = new ClusterAdmin({ brokers: cluster.brokers, clientId: "test" });
    const rate = { "leader.replication.throttled.rate": "1000000" };
    const change = { kind: "BROKER", name: "2", settings: rate } as const;
    await patient.changeSettings([change]);
    cluster.pause(1);
    const changed = patient.changeSettings([change]);
    // A look that gives up meanwhile does not end the change.
    const look = await patient.settingsOf("BROKER", ["2"]).catch((cause: Error) => cause.message);
    cluster.resume(1);
    expect(look).toMatch("no answer");
    await changed;
    patient.close();
  });

  it("tells of a partition that has no leader, and of brokers that are gone", async () => {
    const topic = await topicOn([3]);
    healthy = await topicOn([1, 2]);
    expect((await admin.describe([topic, "nowhere"])).topics.has("nowhere")).toBe(false);
    await cluster.kill(2);
    const placement = await waitFor(
      async () => {
        const { topics, brokers } = await admin.describe([topic]);
        const [first] = topics.get(topic) ?? [];
        return brokers.length === 2 && first !== undefined && first.leader < 0 && first;
      },
      { what: "it is led by nobody" },
    );
    expect(placement).toMatchObject({ leader: -1, replicas: [3] });
  });

  it("tells of everything else while a partition has no leader", async () => {
    const topic = healthy;
    const { brokers } = await admin.describe([]);
    expect(new Set(brokers.map(({ id }) => id))).toEqual(new Set([1, 2]));
    expect(await admin.topics()).toContain(topic);
    expect(await admin.reassignments()).toEqual([]);
    const ofTopics = await admin.settingsOf("TOPIC", [topic, "nowhere"]);
    expect([...ofTopics].map(([name, settings]) => [name, [...settings]])).toEqual([
      [topic, [["retention.ms", "86400000"]]],
    ]);
    expect([...(await admin.settingsOf("BROKER", ["1", "2"])).keys()]).toEqual(["1", "2"]);
    const purpose = { purpose: "messages", isDevelopment: true } as const;
    expect((await admin.checkTopic(topic, purpose)).length).toBeGreaterThan(0);
    expect(await admin.checkTopic("nowhere", purpose)).toMatchObject([{ value: "missing" }]);
    const groupId = ownershipGroupOf(topic);
    const group = await waitFor(
      () => admin.describeOwnership(groupId, topic).catch(() => undefined),
      { what: "the coordinator answers" },
    );
    expect(group).toEqual({ state: "Dead", members: [] });
  });
});
