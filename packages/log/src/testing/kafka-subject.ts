import { randomUUID } from "node:crypto";
import { delay, must, silentLogger, systemClock } from "@millrace/runtime";
import { type Admin, Kafka, type Producer, logLevel } from "kafkajs";
import type { ConformanceSubject, ForeignRecord, TopicWish } from "../conformance.ts";
import { createKafkaLog } from "../kafka/kafka-log.ts";

const RETRY_MS = 100;

/** A topic of its own on a real cluster, with stock kafkajs as the other producer. */
export async function kafkaSubject(
  brokers: readonly string[],
  wish: TopicWish,
): Promise<ConformanceSubject> {
  const topic = `conformance-${randomUUID()}`;
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const producer = kafka.producer();
  await Promise.all([admin.connect(), producer.connect()]);
  await createTopic(admin, topic, wish.partitions);
  const log = createKafkaLog({ brokers, topic, clientId: "conformance", logger: silentLogger });
  await log.open();
  return {
    log,
    clock: systemClock,
    appendForeign: (partition, records) => appendForeign(producer, { topic, partition }, records),
    appendHole: (partition) => abortedTransaction(kafka, topic, partition),
    deleteBefore: async (partition, offset) => {
      // Without having asked about the topic before, kafkajs knows of no leader to send it to.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({
        topic,
        partitions: [{ partition, offset: String(offset) }],
      });
    },
    recreate: async () => {
      await admin.deleteTopics({ topics: [topic] });
      await createTopic(admin, topic, wish.partitions);
    },
    appendKeyed: async (key, value) => {
      const message = { key: Buffer.from(key), value: Buffer.from(value) };
      const [sent] = await producer.send({ topic, messages: [message] });
      return must(sent, "what was sent").partition;
    },
    tearDown: async () => {
      await log.close({ settleMs: 0 });
      await admin.deleteTopics({ topics: [topic] });
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    },
  };
}

/** A topic that is being deleted can't be made at once. */
async function createTopic(admin: Admin, topic: string, partitions: number): Promise<void> {
  let mayExist = false;
  for (;;) {
    try {
      const configEntries = [{ name: "message.timestamp.type", value: "LogAppendTime" }];
      const topics = [{ topic, numPartitions: partitions, configEntries }];
      const isMade = await admin.createTopics({ topics, waitForLeaders: true });
      // A slow broker makes it after the client has given up; then it is there already.
      if (isMade || mayExist) return;
    } catch {
      // Asked again: the suite's own time-out ends it.
      mayExist = true;
    }
    await delay(systemClock, RETRY_MS);
  }
}

async function appendForeign(
  producer: Producer,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  records: readonly ForeignRecord[],
): Promise<bigint> {
  const messages = records.map(({ key, value, headers }) => ({
    partition,
    key: key && Buffer.from(key),
    value: value && Buffer.from(value),
    headers: Object.fromEntries(headers.map((header) => [header.name, Buffer.from(header.value)])),
  }));
  for (;;) {
    try {
      const [sent] = await producer.send({ topic, messages, acks: -1 });
      return BigInt(must(sent?.baseOffset, "the offset of the first"));
    } catch (cause) {
      // A topic that was made anew has another id than kafkajs remembers.
      if (!String(cause).includes("does not host this topic-partition")) throw cause;
      await delay(systemClock, RETRY_MS);
    }
  }
}

/** An aborted record and its marker. */
async function abortedTransaction(kafka: Kafka, topic: string, partition: number): Promise<void> {
  const transactionalId = randomUUID();
  const producer = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ partition, value: "aborted" }] });
  await transaction.abort();
  await producer.disconnect();
}
