import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { must } from "@millrace/runtime";
import { partitionOf } from "@millrace/schemas";
import { encodeMessage } from "@millrace/schemas/record";
import { type EdgeProcess, waitFor, withAdmin, withProducer } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import {
  DELIVERIES,
  type Delivery,
  edgesFor,
  whenSomeRelayed,
} from "../../services/edge/src/testing/deliveries.ts";
import {
  type EdgePlace,
  EdgeStage,
  publish,
  subscribe,
  whenHas,
} from "../../services/edge/src/testing/edge-stage.ts";
import { metricOf } from "../../services/edge/src/testing/metric-of.ts";
import { foreignMessage } from "../../services/edge/src/testing/foreign-message.ts";
import { RawClient } from "../../services/edge/src/testing/raw-client.ts";
import { SteadyLoad } from "./steady-load.ts";

const PARTITIONS = 12;
const FLOOD = 2_000;

let stage: EdgeStage;
let load: SteadyLoad | undefined;

beforeEach(async () => {
  const brokers = inject("kafkaBrokers");
  stage = await EdgeStage.open({ brokers, redisUrl: inject("redisUrl") });
});

afterEach(async () => {
  await load?.stop();
  load = undefined;
  await stage.close();
});

function rooms(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `room:${at}`);
}

function spawnFor(delivery: Delivery): Promise<EdgeProcess[]> {
  return edgesFor(delivery, (name, env) => stage.spawn(name, { env }));
}

/** One on each edge, live. */
async function readersOf(edges: readonly EdgePlace[], c: string): Promise<RawClient[]> {
  const readers = await Promise.all(edges.map((edge) => stage.connectWith(edge, "reader")));
  for (const reader of readers) await subscribe(reader, c, "live");
  return readers;
}

async function startLoad(
  edges: readonly EdgePlace[],
  conversations: readonly string[],
): Promise<SteadyLoad> {
  load = await SteadyLoad.start({
    edges: edges.map(({ ws }) => ws),
    brokers: inject("kafkaBrokers"),
    topic: stage.topic,
    tokenFor: (sub) => stage.issuer.token({ sub }),
    conversations,
    senders: 3,
    receivers: 2,
    perSecond: 100,
  });
  return load;
}

async function expectWhole(steady: SteadyLoad): Promise<void> {
  const { offences, repeatedKeys } = await steady.judge();
  expect(offences).toEqual([]);
  expect(repeatedKeys).toBe(0);
}

// C-047
it("More partitions never split a conversation", async () => {
  const conversations = rooms(40);
  const old = await stage.spawn("edge-1");
  const offline = await stage.connectWith(old, "offline");
  const [home = ""] = conversations;
  await subscribe(offline, home, "live");
  const writer = await stage.connectWith(old, "writer");
  await publish(writer, home, ["m1"]);
  await whenHas(offline, home, ["m1"]);
  const position = must(offline.position(home), "a position");
  offline.terminate();
  const steady = await startLoad([old], conversations);
  await withAdmin(inject("kafkaBrokers"), (admin) =>
    admin.createPartitions({ topicPartitions: [{ topic: stage.topic, count: 2 * PARTITIONS }] }),
  );
  const isAlarmed = async (): Promise<boolean> =>
    (await metricOf(old, "millrace_partitions_unused")) === PARTITIONS;
  await waitFor(isAlarmed, { what: "the alarm" });
  await steady.whenPublished(200);
  await publish(writer, home, ["m2"]);

  // An edge that begins now would put them elsewhere: it does not, and says what to do.
  await expect(stage.spawn("edge-2")).rejects.toThrow(/EDGE_PARTITIONS/);
  const told = { EDGE_PARTITIONS: String(PARTITIONS) };
  const late = await stage.spawn("edge-2", { env: told });
  expect(await metricOf(late, "millrace_partitions_unused")).toBe(PARTITIONS);
  await publish(await stage.connectWith(late, "writer"), home, ["m3"]);
  const back = await stage.connectWith(late, "offline");
  await subscribe(back, home, { after: position });
  await waitFor(() => back.bodies(home).includes("m3"), { what: "what was missed" });
  const missed = back.messages(home).filter(({ from }) => from === "writer");
  expect(missed.map(({ body }) => body)).toEqual(["m2", "m3"]);
  expect(back.offence).toBeUndefined();
  await steady.whenPublished(50);
  const offsets = await withAdmin(inject("kafkaBrokers"), (admin) =>
    admin.fetchTopicOffsets(stage.topic),
  );
  const added = offsets.filter(({ partition }) => partition >= PARTITIONS);
  expect(added.map(({ high }) => high)).toEqual(added.map(() => "0"));
  await expectWhole(steady);
});

describe.each(DELIVERIES)("with %s delivery", (delivery) => {
  it("What foreign producers write that is not ours is counted, and disturbs nobody", async () => {
    const conversations = rooms(6);
    const [c = ""] = conversations;
    const partition = partitionOf(Buffer.from(c), PARTITIONS);
    const edges = await spawnFor(delivery);
    const readers = await readersOf(edges, c);
    // For keys an edge reads the partition itself, and is not relayed to for a while.
    const loaded = conversations.filter(
      (room) => delivery === "direct" || partitionOf(Buffer.from(room), PARTITIONS) !== partition,
    );
    const steady = await startLoad(edges, loaded);
    await whenSomeRelayed(edges);
    const value = Buffer.from(encodeMessage(foreignMessage(c, "good")));
    const other = Buffer.from(encodeMessage(foreignMessage("room:other", "bad")));
    const elsewhere = (partition + 1) % PARTITIONS;
    const bad = [
      { key: c, value: Buffer.from("not a message"), partition },
      { key: c, value: null, partition },
      { key: null, value: other, partition },
      { key: Buffer.from([0xff, 0xfe]), value: other, partition },
      // Also where nobody has subscribed to it.
      { key: c, value: other, partition: elsewhere },
      {
        key: "room:nobody",
        value: other,
        partition: partitionOf(Buffer.from("room:nobody"), 12) ^ 1,
      },
    ];
    const inTheRoom = 2;
    const flood = Array.from({ length: FLOOD }, () => ({ key: c, value: null, partition }));
    const headers = { large: randomBytes(1_000_000) };
    await withProducer(inject("kafkaBrokers"), async (producer) => {
      await producer.send({ topic: stage.topic, messages: bad });
      await producer.send({ topic: stage.topic, messages: flood });
      await producer.send({
        topic: stage.topic,
        messages: [{ key: c, value, partition, headers }],
      });
    });
    for (const reader of readers) {
      await reader.next(
        ({ body }) => body === "good",
        "the message with the header of a million bytes",
      );
    }
    await steady.whenPublished(50);
    await steady.whenReceived(50);
    for (const reader of readers) {
      expect(reader.messages(c).filter(({ from }) => from === "foreign")).toHaveLength(1);
      expect(reader.offence).toBeUndefined();
    }
    // Who reads the whole log sees them all, and who is relayed to what its clients could have got.
    const seen = delivery === "direct" ? bad.length : inTheRoom;
    for (const edge of edges) {
      const name = "millrace_records_skipped_total";
      await waitFor(async () => (await metricOf(edge, name)) >= FLOOD + seen, {
        what: "the count of what was skipped",
      });
      expect(await metricOf(edge, name)).toBeLessThanOrEqual(FLOOD + bad.length);
      const lines = readFileSync(edge.child.outputFile, "utf8")
        .split("\n")
        .filter((line) => line.includes("record skipped"));
      expect(lines.length).toBeGreaterThanOrEqual(seen);
      expect(lines.length).toBeLessThan(50);
    }
    steady.dropReceivers();
    await expectWhole(steady);
  });

  it("A topic that is deleted under the edges ends nothing but the topic", async () => {
    const [c = ""] = rooms(1);
    const edges = await spawnFor(delivery);
    const readers = await readersOf(edges, c);
    const writer = await stage.connectWith(must(edges[0], "an edge"), "writer");
    await whenSomeRelayed(edges);
    // An edge that is relayed to must read for a moment before it takes the first key.
    await publish(writer, c, ["m1", "m2"], { isKeyed: false });
    for (const reader of readers) await whenHas(reader, c, ["m1", "m2"]);
    const position = must(readers[0]?.position(c), "a position");
    await withAdmin(inject("kafkaBrokers"), (admin) =>
      admin.deleteTopics({ topics: [stage.topic] }),
    );
    const refused = await waitFor(
      async () => {
        const answer = await writer.request({ t: "pub", c, key: "lost", body: "lost" });
        return answer.t === "err" && answer;
      },
      { what: "a refusal" },
    );
    expect(refused.code).toBe("unavailable");
    // Who comes now could do nothing, and is told so; who is there stays.
    const token = await stage.issuer.token({ sub: "late" });
    for (const edge of edges) {
      const isSentAway = async (): Promise<boolean> => {
        const late = await RawClient.attempt({ url: edge.ws, token });
        late.terminate();
        return late.refusal === 503;
      };
      await waitFor(isSentAway, { what: "newcomers are sent away", timeoutMs: 60_000 });
      expect((await fetch(`${edge.http}/readyz`)).status).toBe(200);
    }
    for (const client of [...readers, writer]) expect(client.closeCode).toBeUndefined();

    await stage.makeTopic();
    const isStored = async (): Promise<boolean> =>
      (await writer.request({ t: "pub", c, body: "anew" })).t === "pubd";
    await waitFor(isStored, { what: "publishes go on", timeoutMs: 60_000 });
    for (const reader of readers) {
      const gap = await reader.next(({ t }) => t === "gap", "a gap");
      expect(gap).toMatchObject({ after: position, reason: "recreated" });
      await reader.next(({ body }) => body === "anew", "the first of the new topic");
      expect(reader.offence).toBeUndefined();
    }
  });
});
