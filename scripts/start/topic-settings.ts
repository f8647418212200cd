import type { CredentialSource, Logger } from "@millrace/runtime";
import { type GivenKafka, countBrokers } from "./cluster.ts";
import type { Screen } from "./screen.ts";
import { StartRefusal } from "./start-refusal.ts";

/** What the log tells of a topic that it has created, or found. */
export interface TopicReport {
  readonly created: boolean;
  readonly brokers: number;
  readonly problems: readonly {
    readonly setting: string;
    readonly value: string;
    readonly wanted: string;
    readonly promise: string;
  }[];
}

/** Creates the topic where it is missing, and never changes one that is there. */
export type EnsureTopic = (options: {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly isDevelopment: boolean;
  readonly logger: Logger;
  readonly credentials?: CredentialSource;
}) => Promise<TopicReport>;

/**
 * The topic exists with settings that keep the promises, or the start is refused; for a cluster of
 * one broker, which can keep none of promise 3, that is a warning. Tells whether it is one.
 */
export async function settleTopic(options: {
  readonly kafka: GivenKafka;
  readonly topic: string;
  readonly ensureTopic: EnsureTopic;
  readonly logger: Logger;
  readonly screen: Screen;
}): Promise<{ readonly isDevelopment: boolean }> {
  const { kafka, topic, ensureTopic, logger, screen } = options;
  const isDevelopment = (await countBrokers(kafka)) === 1;
  if (isDevelopment) {
    screen.warn("development mode: one broker, so a broker that is lost takes messages with it");
  }
  const { created, problems } = await ensureTopic({ ...kafka, topic, isDevelopment, logger });
  if (created) screen.tell(`topic ${topic} was created`);
  const lines = problems.map(
    ({ setting, value, wanted, promise }) =>
      `${topic}: ${setting} is ${value}, wanted ${wanted} (${promise})`,
  );
  if (lines.length > 0 && !isDevelopment) {
    throw new StartRefusal(
      `the topic breaks promises:\n${lines.map((l) => `  - ${l}`).join("\n")}`,
    );
  }
  for (const line of lines) screen.warn(line);
  return { isDevelopment };
}
