import { ClusterAdmin } from "@millrace/log";
import { KafkaCluster, makeTopic, waitFor, withAdmin, withProducer } from "@millrace/testkit";
import { ConfigResourceTypes } from "kafkajs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AuditView, PlanView, ReassignmentView } from "../api/views.ts";
import { ControlStage } from "../testing/control-stage.ts";
import { edgeReport } from "../testing/edge-reports.ts";
import { FakeEdge } from "../testing/fake-edge.ts";

const PARTITIONS = 3;
const PATH = "/v1/reassignments";

let cluster: KafkaCluster;
let stage: ControlStage;
let edge: FakeEdge;

beforeAll(async () => {
  cluster = await KafkaCluster.start({ brokers: 3 });
  stage = await ControlStage.open();
  edge = await FakeEdge.start({ report: () => edgeReport("edge-1") });
  const replicaAssignment = Array.from({ length: PARTITIONS }, (_, partition) => {
    return { partition, replicas: [1, 2] };
  });
  const configEntries = [{ name: "retention.ms", value: "86400000" }];
  await makeTopic(cluster.brokers, { topic: stage.topic, replicaAssignment, configEntries });
  await fill(3_000);
});

afterAll(async () => {
  await stage.close();
  await edge.stop();
  await cluster.stop();
});

/** A send's share of that stays below what a broker takes at once. */
const SENT_AT_ONCE = 500;

/**
 * So many kilobytes in each partition: a broker's first fetch of a partition, up to 1 MiB, comes before
 * its throttle has anything to count.
 */
async function fill(kilobytes: number): Promise<void> {
  const value = "x".repeat(1_024);
  await withProducer(cluster.brokers, async (producer) => {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const messages = Array.from({ length: SENT_AT_ONCE }, () => ({ key: "k", value, partition }));
      for (let sent = 0; sent < kilobytes; sent += SENT_AT_ONCE) {
        await producer.send({ topic: stage.topic, messages });
      }
    }
  });
}

function start(): Promise<() => Promise<void>> {
  return stage.start({ edges: [edge.address], brokers: cluster.brokers });
}

async function whenAudited(): Promise<void> {
  await waitFor(async () => (await stage.call("GET", "/v1/audit")).status === 200, {
    what: "the audit can be read",
  });
}

/** What was set for the topic and for each broker itself. */
function settingsNow(): Promise<string[]> {
  return withAdmin(cluster.brokers, async (admin) => {
    const names = ["1", "2", "3"].map((name) => ({ type: ConfigResourceTypes.BROKER, name }));
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: stage.topic }, ...names],
    });
    return resources.flatMap(({ configEntries }) =>
      configEntries
        .filter(({ configSource }) => [1, 2].includes(configSource as number))
        .map(({ configName, configValue }) => `${configName}=${configValue}`),
    );
  });
}

/** Each broker tells its own settings, and hears of a change when it does. */
function whenUnthrottled(): Promise<unknown> {
  return waitFor(async () => (await settingsNow()).join() === "retention.ms=86400000", {
    what: "only the setting that was there is left",
    timeoutMs: 120_000,
  });
}

/** As a control sets it, or another tool. */
async function throttle(to: {
  readonly replicas: string | null;
  readonly rates: readonly [string | null, string | null];
}): Promise<void> {
  const { replicas, rates } = to;
  const [leader, follower] = ["leader", "follower"].map((side) => `${side}.replication.throttled`);
  const admin = new ClusterAdmin({ brokers: cluster.brokers, clientId: "test" });
  const lists = { [`${leader}.replicas`]: replicas, [`${follower}.replicas`]: replicas };
  await admin.changeSettings([
    { kind: "TOPIC", name: stage.topic, settings: lists },
    {
      kind: "BROKER",
      name: "2",
      settings: { [`${leader}.rate`]: rates[0], [`${follower}.rate`]: rates[1] },
    },
  ]);
  admin.close();
}

async function viewNow(): Promise<ReassignmentView> {
  return stage.get<ReassignmentView>(PATH);
}

describe("replicas that are spread over other brokers", () => {
  it("move behind a throttle, which is gone when they are there, and nothing else is changed", async () => {
    await start();
    await whenAudited();
    const body = { brokers: [2, 3], topics: [stage.topic], throttleBytesPerSec: 1_000_000 };
    const planned = await stage.call("POST", `${PATH}?dryRun=true`, { body });
    const plan = planned.json as unknown as PlanView;
    expect(plan.isDangerous).toBe(true);
    expect(plan.effects.join(" ")).toContain("brokers 1, 2 →");
    expect(plan.effects.join(" ")).toContain("Racks are not looked at");
    expect((await viewNow()).isRunning).toBe(false);

    const { status, json } = await stage.call("POST", PATH, { body });
    expect([status, json["done"]]).toEqual([
      200,
      "3 partitions are on their way, throttled until they are there.",
    ]);
    const running = await viewNow();
    expect(running).toMatchObject({ isRunning: true, throttleBytesPerSec: 1_000_000 });
    expect(running.partitions.flatMap(({ adding }) => adding)).toContain(3);
    for (const path of [PATH, `${PATH}?dryRun=true`]) {
      expect((await stage.call("POST", path, { body })).status).toBe(409);
    }
    const cancel = (await stage.call("DELETE", `${PATH}?dryRun=true`)).json as unknown as PlanView;
    expect(cancel.isDangerous).toBe(true);
    expect(cancel.effects.join(" ")).toContain(`${stage.topic}: called off for 3 partitions`);
    const elsewhere = await stage.call("DELETE", PATH, { body: { topics: ["elsewhere"] } });
    expect(elsewhere.json["done"]).toBe(
      "Nothing of these topics was on its way; the throttle stays until the others are there.",
    );
    await whenUnthrottled();
    expect(await viewNow()).toEqual({
      isRunning: false,
      throttleBytesPerSec: null,
      partitions: [],
    });
    const again = await stage.call("POST", PATH, { body });
    expect(again.json["done"]).toBe("All replicas are where they should be.");
    const { audit } = await stage.get<{ audit: AuditView[] }>("/v1/audit");
    expect(audit).toContainEqual(
      expect.objectContaining({ operator: "control", action: "throttle.remove", status: 200 }),
    );
  });

  it("come back when they are called off, and the throttle goes", async () => {
    const stop = await start();
    await whenAudited();
    const body = { brokers: [1, 2], topics: [stage.topic], throttleBytesPerSec: 2_048 };
    const begun = await stage.call("POST", PATH, { body });
    expect([begun.status, begun.json["done"]]).toEqual([
      200,
      "3 partitions are on their way, throttled until they are there.",
    ]);
    expect((await viewNow()).isRunning).toBe(true);
    const { json } = await stage.call("DELETE", PATH);
    expect(json["done"]).toBe("3 partitions were called back; no throttle stands.");
    await whenUnthrottled();
    expect((await viewNow()).isRunning).toBe(false);
    const { audit } = await stage.get<{ audit: AuditView[] }>("/v1/audit");
    expect(audit.map(({ action }) => action).slice(0, 2)).toEqual(["reassign.cancel", "reassign"]);
    await stop();
  });

  it("leave no throttle behind when nothing moves, also one of a control that has ended", async () => {
    await throttle({ replicas: "0:2147483647,0:1", rates: ["100000", "100001"] });
    await waitFor(async () => (await settingsNow()).length === 5, { what: "the throttle stands" });
    await start();
    await whenUnthrottled();
  });

  it("do not begin behind a throttle that another tool has set", async () => {
    await throttle({ replicas: "0:1", rates: ["100000", "100000"] });
    await waitFor(async () => (await settingsNow()).length === 5, { what: "the throttle stands" });
    const body = { brokers: [1, 2], topics: [stage.topic], throttleBytesPerSec: 1_000_000 };
    const { status, json } = await stage.call("POST", PATH, { body });
    expect([status, json["message"]]).toEqual([
      409,
      expect.stringContaining(`another tool throttles replicas (broker 2, topic ${stage.topic})`),
    ]);
    expect((await stage.call("DELETE", PATH)).status).toBe(200);
    expect(await settingsNow()).toHaveLength(5);
    await throttle({ replicas: null, rates: [null, null] });
    await waitFor(async () => (await settingsNow()).length === 1, { what: "the tool is done" });
  });

  it("leave a broker that is dead, also while it has taken a partition's only replica with it", async () => {
    await makeTopic(cluster.brokers, {
      topic: "lost",
      replicaAssignment: [{ partition: 0, replicas: [3] }],
    });
    await cluster.kill(2);
    const body = { brokers: [1, 2], topics: [stage.topic], throttleBytesPerSec: 1_000_000 };
    await waitFor(
      async () => {
        const { status, json } = await stage.call("POST", PATH, { body });
        return status === 200 && String(json["done"]).includes("on their way");
      },
      { what: "the replicas are on their way" },
    );
    await waitFor(async () => (await viewNow()).throttleBytesPerSec === null, {
      what: "they are there, and the throttle is gone",
      timeoutMs: 120_000,
    });
    expect((await viewNow()).isRunning).toBe(false);
  });
});
