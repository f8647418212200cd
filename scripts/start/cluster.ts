import { kafkaSecurity } from "@millrace/log";
import { type CredentialSource, messageOf } from "@millrace/runtime";
import { waitFor } from "@millrace/testkit";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { StartRefusal } from "./start-refusal.ts";

const CONNECT_MS = 3_000;
const REQUEST_MS = 10_000;
const RETRIES = 2;
const ADVICE = "\n  - check KAFKA_BROKERS, or unset it: then a broker of our own is launched";

/** A cluster that is there already, and how to log in to it. */
export interface GivenKafka {
  readonly brokers: readonly string[];
  /** Without them connections are plain. */
  readonly credentials?: CredentialSource;
}

/** How many brokers the cluster has; a cluster that does not answer refuses the start. */
export function countBrokers(kafka: GivenKafka): Promise<number> {
  return withAdmin(kafka, async (admin) => (await admin.describeCluster()).brokers.length);
}

/** Deletes the topic where it exists, and waits until it is gone. */
export function deleteTopic(kafka: GivenKafka, topic: string): Promise<void> {
  return withAdmin(kafka, async (admin) => {
    const isThere = async (): Promise<boolean> => (await admin.listTopics()).includes(topic);
    if (!(await isThere())) return;
    await admin.deleteTopics({ topics: [topic] });
    await waitFor(async () => !(await isThere()), { what: `topic ${topic} is deleted` });
  });
}

async function withAdmin<Result>(
  { brokers, credentials }: GivenKafka,
  act: (admin: Admin) => Promise<Result>,
): Promise<Result> {
  let admin: Admin | undefined;
  try {
    admin = new Kafka({
      ...kafkaSecurity(credentials),
      clientId: "millrace-start",
      brokers: [...brokers],
      connectionTimeout: CONNECT_MS,
      requestTimeout: REQUEST_MS,
      retry: { retries: RETRIES },
      logLevel: logLevel.NOTHING,
    }).admin();
    await admin.connect();
    return await act(admin);
  } catch (error) {
    const why = messageOf(error);
    throw new StartRefusal(`Kafka at ${brokers.join(",")} can't be used: ${why}${ADVICE}`, {
      cause: error,
    });
  } finally {
    await admin?.disconnect();
  }
}
