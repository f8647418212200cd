import { randomUUID } from "node:crypto";
import { delay, silentLogger, systemClock } from "@millrace/runtime";
import { KafkaCluster, makeTopic, waitFor } from "@millrace/testkit";
import { Kafka, type Producer, logLevel } from "kafkajs";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Log } from "../../port.ts";
import { Sending, type SentValue, offence, storedValues } from "../../testing/write-proof.ts";
import { createKafkaLog } from "../kafka-log.ts";

const ATTEMPTS_MAX = 20;
const VALUES = 12;
const PATIENCE_MS = 60_000;

let cluster: KafkaCluster;

beforeAll(async () => {
  cluster = await KafkaCluster.start({ brokers: 1, proxied: true });
}, 90_000);

afterAll(() => cluster.stop());

/** Sends values one right after the other, as a chat does; what each was told in the end. */
type Sender = (topic: string, values: readonly string[]) => Promise<readonly SentValue[]>;

it("the client library's idempotent producer loses, doubles or swaps what it has acknowledged", async () => {
  const found = await firstOffence(stockSender);
  expect(found).toMatch(/lost|times|before/);
});

it("our writer does none of it in the same situation", async () => {
  expect(await firstOffence(ourSender)).toBeUndefined();
});

/** The connection is cut again and again, before or behind the append. */
async function firstOffence(sender: Sender): Promise<string | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const topic = await createTopic();
    const log = await openLog(topic, cluster.directBrokers);
    const values = Array.from({ length: VALUES }, (_, index) => `value ${index}.`);
    const direction = attempt % 2 === 0 ? "down" : "up";
    cutOnce(`value ${3 + (attempt % 6)}.`, direction);
    const sent = await sender(topic, values);
    cluster.proxy(0).inspect(undefined);
    const found = offence(sent, await storedValues(log, 0));
    await log.close({ settleMs: 0 });
    if (found !== undefined) return found;
  }
  return undefined;
}

const stockSender: Sender = async (topic, values) => {
  const kafka = new Kafka({ brokers: cluster.brokers, logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 5 });
  await producer.connect();
  await producer.send({ topic, messages: [{ key: "key", value: "first", partition: 0 }] });
  const sent = await Promise.all(values.map((value) => sendStock(producer, topic, value)));
  await producer.disconnect();
  return sent;
};

async function sendStock(producer: Producer, topic: string, value: string): Promise<SentValue> {
  try {
    await producer.send({ topic, messages: [{ key: "key", value, partition: 0 }] });
    return { value, told: "appended" };
  } catch {
    // It may or may not be there: nothing was promised.
    return { value, told: "open" };
  }
}

const ourSender: Sender = async (topic, values) => {
  const log = await openLog(topic, cluster.brokers);
  const sending = new Sending(log, 0);
  const settled = () =>
    waitFor(() => sending.isSettled, { what: "every outcome", timeoutMs: PATIENCE_MS });
  sending.send("first");
  await settled();
  for (const value of values) {
    sending.send(value);
    // A turn of its own for each, so that they travel in several batches.
    await delay(systemClock, 0);
  }
  await settled();
  await log.close({ settleMs: 0 });
  return sending.values;
};

async function openLog(topic: string, brokers: readonly string[]): Promise<Log> {
  const log = createKafkaLog({ brokers, topic, clientId: "proof", logger: silentLogger });
  await log.open();
  return log;
}

async function createTopic(): Promise<string> {
  const topic = `stock-${randomUUID()}`;
  await makeTopic(cluster.directBrokers, { topic, numPartitions: 1, replicationFactor: 1 });
  return topic;
}

function cutOnce(value: string, direction: "up" | "down"): void {
  let armed: number | undefined;
  let isCut = false;
  cluster.proxy(0).inspect((data, of, connection) => {
    if (of === "up" && data.includes(value)) armed ??= connection;
    if (isCut || of !== direction || armed !== connection) return "pass";
    isCut = true;
    return "cut";
  });
}
