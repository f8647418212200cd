import { randomUUID } from "node:crypto";
import { kafkaSecurity } from "@millrace/log";
import type { CredentialSource } from "@millrace/runtime";
import { decodeMessage } from "@millrace/schemas/record";
import kafkajs from "kafkajs";
import lz4 from "lz4-napi";
import type { Stored } from "./judge.ts";

/** Node finds only some of the names in this CommonJS package. */
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;

CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: () => Promise.reject(new Error("nothing is written here")),
  decompress: (packed: Buffer) => Promise.resolve(lz4.decompressFrameSync(packed)),
});

/** Every message of a topic up to its present end, read by a stock consumer, partition by partition. */
export async function readTopic(options: {
  readonly brokers: readonly string[];
  readonly topic: string;
  /** How positions spell the topic's incarnation. */
  readonly epoch: string;
  /** Without them connections are plain. */
  readonly credentials?: CredentialSource;
}): Promise<Stored[]> {
  const { brokers, topic, epoch, credentials } = options;
  const security = kafkaSecurity(credentials);
  const kafka = new Kafka({ ...security, brokers: [...brokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topic);
  const ends = new Map(offsets.map(({ partition, high }) => [partition, BigInt(high)]));
  const open = new Set(offsets.filter(({ low, high }) => low !== high).map((o) => o.partition));
  const stored: Stored[] = [];
  const groupId = `verify-${randomUUID()}`;
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    const finishIf = (): void => {
      if (open.size === 0) resolve();
    };
    consumer
      .run({
        eachBatch: async ({ batch }) => {
          for (const { offset, value } of batch.messages) {
            const place = `${epoch}.${batch.partition}.${BigInt(offset) + 1n}`;
            const decoded = decodeMessage(value ?? Buffer.alloc(0));
            if (decoded.kind === "message") stored.push(storedOf(decoded.message, place));
          }
          if (BigInt(batch.lastOffset()) + 1n >= (ends.get(batch.partition) ?? 0n)) {
            open.delete(batch.partition);
          }
          finishIf();
        },
      })
      .catch(reject);
    finishIf();
  });
  await consumer.disconnect();
  await admin.deleteGroups([groupId]);
  await admin.disconnect();
  return stored;
}

function storedOf(
  message: Extract<ReturnType<typeof decodeMessage>, { kind: "message" }>["message"],
  pos: string,
): Stored {
  const { conversation: c, sender: from, key, content: body } = message;
  return { c, pos, from, key: key ?? "", body };
}
