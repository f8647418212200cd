import kafkajs, { type Admin, type Kafka, type Producer } from "kafkajs";

/** Node finds only some of the names in this CommonJS package. */
const { ConfigResourceTypes, Kafka: KafkaClient, logLevel } = kafkajs;

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
