import { randomUUID } from "node:crypto";
import { delay, silentLogger, systemClock } from "@millrace/runtime";
import { KafkaCluster, makeTopic, waitFor } from "@millrace/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Log } from "../../port.ts";
import { Sending, offence, storedValues } from "../../testing/write-proof.ts";
import { createKafkaLog } from "../kafka-log.ts";

const PATIENCE_MS = 60_000;
const PARTITION = 0;

let cluster: KafkaCluster;
let topic: string;
let log: Log;
let sending: Sending;

beforeAll(async () => {
  cluster = await KafkaCluster.start({ brokers: 3, proxied: true });
}, 90_000);

afterAll(() => cluster.stop());

beforeEach(async () => {
  topic = `writer-${randomUUID()}`;
  await createTopic();
  log = createKafkaLog({
    brokers: cluster.brokers,
    topic,
    clientId: "writer",
    logger: silentLogger,
  });
  await log.open();
  sending = new Sending(log, PARTITION);
  // The lane has its producer id before anything is broken.
  sending.send("first");
  await settled();
});

afterEach(async () => {
  for (const index of [0, 1, 2]) cluster.proxy(index).inspect(undefined);
  await log.close({ settleMs: 0 });
});

describe("the writer", () => {
  it("appends once and in order when the connection is cut before the append", async () => {
    const cut = interfere("up", "cut");
    await sendAndProve();
    expect(cut()).toBe(1);
  });

  it("appends once and in order when the connection is cut after the append", async () => {
    const cut = interfere("down", "cut");
    await sendAndProve();
    expect(cut()).toBe(1);
  });

  it("appends once and in order when an answer does not come in time", async () => {
    const swallowed = interfere("down", "swallow");
    await sendAndProve();
    expect(swallowed()).toBe(1);
  });

  it("tells unknown at the deadline, and afterwards what it was", async () => {
    for (const index of [0, 1, 2]) cluster.proxy(index).hold("down");
    sending.send("uncertain", 500);
    sending.send("behind", 600);
    await waitFor(() => sending.order.includes("uncertain"), { what: "an outcome" });
    expect(sending.outcomeOf("uncertain")).toEqual({ kind: "unknown" });
    for (const index of [0, 1, 2]) cluster.proxy(index).release("down");
    await settled();
    expect(sending.outcomeOf("uncertain")).toMatchObject({ kind: "appended" });
    await prove();
  });

  it("appends once and in order while the leader moves", async () => {
    const done = sendForAWhile();
    for (const node of [1, 2, 3, 1]) {
      await cluster.moveLeader(topic, PARTITION, node);
      await delay(systemClock, 100);
    }
    await done();
    await prove();
  });

  it("appends once and in order when the leader is killed", async () => {
    await cluster.moveLeader(topic, PARTITION, 2);
    const done = sendForAWhile();
    await delay(systemClock, 200);
    await cluster.kill(1);
    await delay(systemClock, 1_000);
    await done();
    await cluster.restart(1);
    await prove();
  });

  it("denies what too few replicas would take, and appends again when they are back", async () => {
    await cluster.moveLeader(topic, PARTITION, 1);
    for (const index of [1, 2]) cluster.pause(index);
    await waitFor(
      async () => {
        const value = `try ${randomUUID()}`;
        sending.send(value, 2_000);
        await waitFor(() => sending.outcomeOf(value) !== undefined, { what: "an outcome" });
        return sending.outcomeOf(value)?.kind === "not-appended";
      },
      { what: "a refusal for want of replicas", timeoutMs: PATIENCE_MS },
    );
    for (const index of [1, 2]) cluster.resume(index);
    await waitFor(
      async () => {
        const value = `again ${randomUUID()}`;
        sending.send(value);
        await settled();
        return sending.outcomeOf(value)?.kind === "appended";
      },
      { what: "an append with all replicas", timeoutMs: PATIENCE_MS },
    );
    await prove();
  });
});

async function createTopic(): Promise<void> {
  const configEntries = [
    { name: "message.timestamp.type", value: "LogAppendTime" },
    { name: "min.insync.replicas", value: "2" },
  ];
  const config = { topic, numPartitions: 2, replicationFactor: 3, configEntries };
  await makeTopic(cluster.directBrokers, config);
}

/** Acts once on what carries one of the values, or on the answer to it. */
function interfere(direction: "up" | "down", how: "cut" | "swallow"): () => number {
  let acted = 0;
  let armed: string | undefined;
  for (const index of [0, 1, 2]) {
    cluster.proxy(index).inspect((data, of, connection) => {
      const name = `${index}/${connection}`;
      if (of === "up" && data.includes("value 3")) armed ??= name;
      if (acted > 0 || of !== direction || armed !== name) return "pass";
      acted++;
      return how;
    });
  }
  return () => acted;
}

async function sendAndProve(): Promise<void> {
  for (let index = 0; index < 20; index++) {
    sending.send(`value ${index}`);
    if (index % 3 === 0) await delay(systemClock, 1);
  }
  await settled();
  expect(sending.order).toEqual(sending.values.map(({ value }) => value));
  expect(sending.values.every(({ told }) => told === "appended")).toBe(true);
  await prove();
}

/** Sends until it is asked to end; then everything is settled. */
function sendForAWhile(): () => Promise<void> {
  const end = new AbortController();
  const sent = (async () => {
    for (let index = 0; !end.signal.aborted; index++) {
      sending.send(`value ${index}`);
      await delay(systemClock, 2);
    }
  })();
  return async () => {
    end.abort();
    await sent;
    await settled();
  };
}

async function settled(): Promise<void> {
  await waitFor(() => sending.isSettled, { what: "every outcome", timeoutMs: PATIENCE_MS });
}

async function prove(): Promise<void> {
  expect(offence(sending.values, await storedValues(log, PARTITION))).toBeUndefined();
}
