import {
  type Log,
  type TopicPurpose,
  createKafkaLog,
  ensureTopic,
  formatProblem,
} from "@millrace/log";
import { type Clock, type Logger, delay } from "@millrace/runtime";
import type { EdgeConfig } from "./config.ts";
import type { EdgeCredentials } from "./edge-credentials.ts";
import { misplacedKey } from "./tail/key-places.ts";

export interface TopicParts {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly credentials: EdgeCredentials;
}

const RETRY_MS = 1_000;

export function kafkaLog(config: EdgeConfig, topic: string, parts: TopicParts): Log {
  const { logger, clock, credentials } = parts;
  const { kafkaBrokers: brokers, id: clientId, partitions } = config;
  const isSpread = topic === config.topic && partitions > 0;
  const options = { brokers, topic, clientId, logger, clock, ...credentials.kafka };
  return createKafkaLog({ ...options, ...(isSpread && { partitions }) });
}

/**
 * Makes the topic where it is missing. Kafka may come up later than the edge does: it is asked until
 * it answers. Rejects when the topic could not keep the promises.
 */
export async function settleTopic(
  config: EdgeConfig,
  topic: { readonly name: string; readonly purpose: TopicPurpose },
  { logger, clock, credentials }: TopicParts,
): Promise<void> {
  const { kafkaBrokers: brokers, isDevelopment } = config;
  const { name, purpose } = topic;
  const options = { brokers, topic: name, purpose, isDevelopment, logger, ...credentials.kafka };
  for (;;) {
    let report: Awaited<ReturnType<typeof ensureTopic>>;
    try {
      report = await ensureTopic(options);
    } catch (cause) {
      logger.warn({ err: cause, topic: name }, "Kafka does not answer about the topic yet");
      await delay(clock, RETRY_MS);
      continue;
    }
    const problems = report.problems.map((problem) => formatProblem(name, problem));
    if (problems.length > 0 && !isDevelopment) {
      throw new Error(`the topic can't keep the promises: ${problems.join("; ")}`);
    }
    for (const problem of problems) logger.warn({ problem }, "a promise can't be kept");
    return;
  }
}

/** Rejects where this edge would write conversations to other partitions than they stand in. */
export async function assertPartitions(config: EdgeConfig, log: Log): Promise<void> {
  const { topic, partitions } = config;
  const there = log.epoch?.partitions ?? 0;
  if (partitions > there) throw new Error(`${topic}: partitions is ${there}, wanted ${partitions}`);
  const misplaced = await misplacedKey(log);
  if (misplaced === undefined) return;
  throw new Error(
    `${topic}: its number of partitions was changed, and conversations would be split (${misplaced}): ` +
      "set EDGE_PARTITIONS to the number it had",
  );
}
