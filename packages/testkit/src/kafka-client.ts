import { type Admin, Kafka, type Producer, logLevel } from "kafkajs";

/** An ordinary client beside ours, as operators and other producers have one. */
function kafkaAt(brokers: readonly string[]): Kafka {
  return new Kafka({ brokers: [...brokers], clientId: "foreign", logLevel: logLevel.NOTHING });
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
