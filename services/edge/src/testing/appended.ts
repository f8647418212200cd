import { encodeMessage } from "@millrace/schemas/record";
import { withProducer } from "@millrace/testkit";
import { foreignMessage } from "./foreign-message.ts";

const BATCH_BYTES = 500_000;
/** Of a record beside its body, about. */
const OVERHEAD_BYTES = 250;

interface Topic {
  readonly brokers: readonly string[];
  readonly topic: string;
}

/** Writes messages into a conversation by another producer, as fast as the log takes them. */
export function appendTo(topic: Topic, c: string, bodies: readonly string[]): Promise<void> {
  return appendMessages(
    topic,
    bodies.map((body) => [c, body]),
  );
}

/** Messages of several conversations, each with its body; those of one in their order. */
export async function appendMessages(
  { brokers, topic }: Topic,
  all: readonly (readonly [string, string])[],
): Promise<void> {
  const bytes = (all[0]?.[1].length ?? 0) + OVERHEAD_BYTES;
  const batch = Math.max(1, Math.floor(BATCH_BYTES / bytes));
  await withProducer(brokers, async (producer) => {
    for (let start = 0; start < all.length; start += batch) {
      const messages = all.slice(start, start + batch).map(([key, body]) => ({
        key,
        value: Buffer.from(encodeMessage(foreignMessage(key, body))),
      }));
      await producer.send({ topic, messages });
    }
  });
}

/** Bodies that say where they belong. */
export function numbered(count: number, bytes: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index} `.padEnd(bytes, "x"));
}
