import { randomUUID } from "node:crypto";
import { encodeMessage } from "@millrace/schemas/record";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { withAdmin, withProducer } from "../kafka-client.ts";
import { makeTopic } from "../topic-replicas.ts";
import type { Stored } from "./evidence.ts";
import { TopicReader } from "./topic-reader.ts";

const RECORDS = 12_000;
const BATCH = 1_000;

let topic: string;

beforeEach(async () => {
  topic = `judged-${randomUUID()}`;
  await makeTopic(inject("kafkaBrokers"), { topic, numPartitions: 2 });
});

afterEach(async () => {
  await withAdmin(inject("kafkaBrokers"), (admin) => admin.deleteTopics({ topics: [topic] }));
});

/** As many in each partition, with a body so large that no fetch brings all of them. */
async function fill(): Promise<void> {
  await withProducer(inject("kafkaBrokers"), async (producer) => {
    for (let start = 0; start < RECORDS; start += BATCH) {
      const messages = Array.from({ length: BATCH }, (_, at) => recordAt(start + at));
      const both = [0, 1].flatMap((partition) =>
        messages.map((value) => ({ partition, key: "room:1", value })),
      );
      await producer.send({ topic, messages: both });
    }
  });
}

function recordAt(number: number): Buffer {
  const bytes = encodeMessage({
    id: randomUUID(),
    conversation: "room:1",
    sender: "writer",
    recipient: null,
    group: "room:1",
    key: String(number),
    contentType: "text/plain",
    content: "x".repeat(400),
    meta: {},
    ref: null,
    op: null,
    sentAt: 0n,
  });
  return Buffer.from(bytes);
}

it("A partition that nobody asks for holds up none of the others, however much it has", async () => {
  await fill();
  const stored: Stored[] = [];
  const place = { brokers: inject("kafkaBrokers"), topic, epoch: "e" };
  const reader = await TopicReader.open(place, (message) => stored.push(message));
  try {
    await reader.readTo(new Map([[1, BigInt(RECORDS)]]));
    expect(stored.map(({ pos }) => pos)).toEqual(
      Array.from({ length: RECORDS }, (_, at) => `e.1.${at + 1}`),
    );
    await reader.readTo(new Map([[0, 5n]]));
    expect(stored.slice(RECORDS).map(({ pos }) => pos)).toEqual(
      [1, 2, 3, 4, 5].map((offset) => `e.0.${offset}`),
    );
    await reader.readTo(await reader.ends());
    expect(stored).toHaveLength(2 * RECORDS);
  } finally {
    await reader.close();
  }
}, 150_000);
