import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClusterAdmin, type TopicPurpose, ensureTopic } from "@millrace/log";
import { CredentialFolder, silentLogger, systemClock } from "@millrace/runtime";
import {
  CertificateAuthority,
  KafkaCluster,
  setScramPassword,
  waitFor,
  withAdmin,
} from "@millrace/testkit";
import kafkajs, { type Kafka } from "kafkajs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";

/** Node finds only some of the names in this CommonJS package. */
const {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka: KafkaClient,
  ResourcePatternTypes,
  logLevel,
} = kafkajs;

/** What Strimzi reads of a KafkaUser. */
interface KafkaUser {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly authorization: {
      readonly acls: readonly {
        readonly resource: {
          readonly type: "topic" | "group" | "cluster";
          readonly name?: string;
          readonly patternType?: "literal" | "prefix";
        };
        readonly operations: readonly string[];
      }[];
    };
  };
}

const USERS = new URL("../../k8s/base/kafka/users.yaml", import.meta.url);
const PASSWORD = "kafka-sesame";
const TOPICS: Readonly<Record<TopicPurpose, string>> = {
  messages: "chat.messages",
  cursors: "chat.cursors",
  control: "chat.control",
  audit: "chat.audit",
};
const GROUP = "chat.messages.edges";
const THE_CLUSTER = "kafka-cluster";

/** Each password costs a Java of its own, which takes its time on a busy machine. */
const STARTED_MS_MAX = 300_000;

const REFUSED = /not authorized/i;
/** Whoever may not even know of a group is told that nobody coordinates it. */
const UNKNOWN_GROUP = /not authorized|group coordinator/i;

const authority = new CertificateAuthority("millrace test authority");
let kafka: KafkaCluster;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "millrace-users-"));
  kafka = await KafkaCluster.start({ brokers: 1, secured: { authority } });
  const { brokers } = kafka;
  for (const [purpose, topic] of Object.entries(TOPICS) as [TopicPurpose, string][]) {
    const options = { brokers, topic, purpose, isDevelopment: true, logger: silentLogger };
    await waitFor(() => ensureTopic(options).catch(() => false), { what: topic });
  }
  const documents = parseAllDocuments(readFileSync(USERS, "utf8"));
  await Promise.all(documents.map((document) => provide(document.toJS() as KafkaUser)));
}, STARTED_MS_MAX);

afterAll(async () => {
  await kafka.stop();
  rmSync(folder, { recursive: true });
});

/** As Strimzi's operator does: the login, and each right for every address. */
async function provide({ metadata: { name: user }, spec }: KafkaUser): Promise<void> {
  const { brokers } = kafka;
  await setScramPassword(brokers, { user, password: PASSWORD });
  const acl = spec.authorization.acls.flatMap(({ resource, operations }) =>
    operations.map((operation) => ({
      principal: `User:${user}`,
      host: "*",
      permissionType: AclPermissionTypes.ALLOW,
      operation: AclOperationTypes[wordOf(operation)],
      resourceType: AclResourceTypes[wordOf(resource.type) as "TOPIC" | "GROUP" | "CLUSTER"],
      resourceName: resource.name ?? THE_CLUSTER,
      resourcePatternType:
        resource.patternType === "prefix"
          ? ResourcePatternTypes.PREFIXED
          : ResourcePatternTypes.LITERAL,
    })),
  );
  await withAdmin(brokers, (admin) => admin.createAcls({ acl }));
}

/** `DescribeConfigs` is `DESCRIBE_CONFIGS` there. */
function wordOf(name: string): keyof typeof AclOperationTypes {
  const words = name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
  return words as keyof typeof AclOperationTypes;
}

function clientOf(username: string): Kafka {
  return new KafkaClient({
    brokers: [...kafka.securedBrokers("SASL_SSL")],
    clientId: username,
    logLevel: logLevel.NOTHING,
    ssl: { ca: [authority.certificate] },
    sasl: { mechanism: "scram-sha-512", username, password: PASSWORD },
    retry: { retries: 0 },
  });
}

async function writes(username: string, topic: string): Promise<void> {
  const producer = clientOf(username).producer();
  await producer.connect();
  try {
    await producer.send({ topic, messages: [{ key: "k", value: "v", partition: 0 }] });
  } finally {
    await producer.disconnect();
  }
}

/** Resolves with the first record that the group gets; rejects where it is not let in. */
async function reads(username: string, topic: string, groupId: string): Promise<string> {
  const consumer = clientOf(username).consumer({ groupId, retry: { retries: 0 } });
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    return await new Promise<string>((resolve, reject) => {
      consumer.on("consumer.crash", ({ payload }) => reject(payload.error));
      const eachMessage = ({ message }: { message: { value: Buffer | null } }): Promise<void> =>
        Promise.resolve(resolve(message.value?.toString() ?? ""));
      consumer.run({ eachMessage }).catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
}

it("Control may do all that operators ask of the cluster, and read no message", async () => {
  const files = { "ca.crt": authority.certificate, username: "control", password: PASSWORD };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  const credentials = new CredentialFolder({ path: folder, clock: systemClock });
  const brokers = kafka.securedBrokers("SASL_SSL");
  const admin = new ClusterAdmin({ brokers, clientId: "control", credentials });
  try {
    const { topics } = await waitFor(() => admin.describe(Object.values(TOPICS)), {
      what: "the cluster's answer",
    });
    expect([...topics.keys()].toSorted()).toEqual(Object.values(TOPICS).toSorted());
    // The first one to ask makes the broker prepare the topic of groups.
    const isAnswered = (): Promise<boolean> =>
      admin.describeOwnership(GROUP, TOPICS.messages).then(
        () => true,
        () => false,
      );
    await waitFor(isAnswered, { what: "the group is described" });
    for (const [purpose, topic] of Object.entries(TOPICS) as [TopicPurpose, string][]) {
      expect(await admin.checkTopic(topic, { purpose, isDevelopment: true })).toEqual([]);
    }
    expect(await admin.reassignments()).toEqual([]);
    await admin.reassign([{ topic: TOPICS.messages, partition: 0, replicas: [1] }]);
    const throttled = { "leader.replication.throttled.replicas": "0:1" };
    await admin.changeSettings([
      ...Object.values(TOPICS).map((name) => ({
        kind: "TOPIC" as const,
        name,
        settings: throttled,
      })),
      { kind: "BROKER", name: "1", settings: { "leader.replication.throttled.rate": "1000000" } },
    ]);
    await admin.settingsOf("TOPIC", [TOPICS.messages]);
    await admin.settingsOf("BROKER", ["1"]);
    await writes("control", TOPICS.audit);
  } finally {
    admin.close();
    credentials.close();
  }
  await expect(reads("control", TOPICS.messages, GROUP)).rejects.toThrow(REFUSED);
  await expect(writes("control", TOPICS.messages)).rejects.toThrow(REFUSED);
  await expect(writes("control", TOPICS.control)).rejects.toThrow(REFUSED);
});

it("An analyst reads messages with groups of its own, and does nothing else", async () => {
  await writes("edge", TOPICS.messages);
  const read = (): Promise<string | false> =>
    reads("analyst", TOPICS.messages, "analytics-daily").catch(() => false as const);
  expect(await waitFor(read, { what: "the analyst's record" })).toBe("v");
  await expect(reads("analyst", TOPICS.messages, GROUP)).rejects.toThrow(UNKNOWN_GROUP);
  await expect(reads("analyst", TOPICS.control, "analytics-x")).rejects.toThrow(REFUSED);
  await expect(writes("analyst", TOPICS.messages)).rejects.toThrow(REFUSED);
});
