import kafkajs, { type Admin, type ITopicConfig, type Kafka, type Producer } from "kafkajs";
import { waitFor } from "./wait-for.ts";

/** Node finds only some of the names in this CommonJS package. */
const { ConfigResourceTypes, Kafka: KafkaClient, logLevel } = kafkajs;

const LED_TIMEOUT_MS = 60_000;

/** An ordinary client beside ours, as operators and other producers have one. */
function kafkaAt(brokers: readonly string[]): Kafka {
  return new KafkaClient({
    brokers: [...brokers],
    clientId: "foreign",
    logLevel: logLevel.NOTHING,
  });
}

export async function withAdmin<Result>(
  brokers: readonly string[],
  act: (admin: Admin) => Promise<Result>,
): Promise<Result> {
  const admin = kafkaAt(brokers).admin();
  await admin.connect();
  try {
    return await act(admin);
  } finally {
    await admin.disconnect();
  }
}

/**
 * A topic that nobody has made yet. Resolves when each of its partitions is led and all of the
 * brokers know it: the client's own waiting gives up on a slow cluster.
 */
export async function makeTopic(brokers: readonly string[], config: ITopicConfig): Promise<void> {
  const { topic } = config;
  await withAdmin(brokers, (admin) =>
    admin.createTopics({ topics: [config], waitForLeaders: false }),
  );
  for (const broker of brokers) {
    await withAdmin([broker], (admin) => {
      const isLed = async (): Promise<boolean> => {
        try {
          const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
          const partitions = topics[0]?.partitions ?? [];
          return partitions.length > 0 && partitions.every(({ leader }) => leader >= 0);
        } catch {
          return false;
        }
      };
      return waitFor(isLed, { what: `${broker} knows ${topic}`, timeoutMs: LED_TIMEOUT_MS });
    });
  }
}

/** From now on the topic has these settings, and the cluster's defaults for all others. */
export async function configureTopic(
  brokers: readonly string[],
  topic: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic, configEntries };
  await withAdmin(brokers, (admin) =>
    admin.alterConfigs({ validateOnly: false, resources: [resource] }),
  );
}

/** A stock producer; with an id it is transactional. */
export async function withProducer<Result>(
  brokers: readonly string[],
  act: (producer: Producer) => Promise<Result>,
  transactionalId?: string,
): Promise<Result> {
  const transactional =
    transactionalId === undefined
      ? {}
      : { transactionalId, idempotent: true, maxInFlightRequests: 1 };
  const producer = kafkaAt(brokers).producer(transactional);
  await producer.connect();
  try {
    return await act(producer);
  } finally {
    await producer.disconnect();
  }
}
