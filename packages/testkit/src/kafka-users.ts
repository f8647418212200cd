import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import kafkajs from "kafkajs";
import { cacheFolder } from "./cache-folder.ts";
import { withAdmin } from "./kafka-client.ts";
import { LOG4J_CONFIG, findJava, kafkaJars } from "./kafka-jars.ts";

/** Node finds only some of the names in this CommonJS package. */
const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;

const run = promisify(execFile);

export type TopicOperation = "READ" | "WRITE" | "DESCRIBE" | "DESCRIBE_CONFIGS" | "CREATE";

export interface ScramUser {
  readonly user: string;
  readonly password: string;
  readonly mechanism?: "SCRAM-SHA-256" | "SCRAM-SHA-512";
}

/** Makes the user, or gives it another password; from then on the old one is refused. */
export async function setScramPassword(
  brokers: readonly string[],
  { user, password, mechanism = "SCRAM-SHA-512" }: ScramUser,
): Promise<void> {
  const folder = cacheFolder();
  const java = await findJava(folder, () => undefined);
  const libs = await kafkaJars(folder, () => undefined);
  const base = ["-cp", join(libs, "*"), `-Dlog4j2.configurationFile=${LOG4J_CONFIG}`, "-Xmx128m"];
  const entity = ["--entity-type", "users", "--entity-name", user];
  const secret = `${mechanism}=[password=${password}]`;
  const change = ["--alter", "--add-config", secret, ...entity];
  const place = ["--bootstrap-server", brokers.join(",")];
  await run(java, [...base, "kafka.admin.ConfigCommand", ...place, ...change]);
}

/** The principal may read and delete the consumer groups whose names begin so. */
export async function allowOnGroups(
  brokers: readonly string[],
  { principal, prefix }: { readonly principal: string; readonly prefix: string },
): Promise<void> {
  const operations = [AclOperationTypes.READ, AclOperationTypes.DELETE];
  const acl = operations.map((operation) => ({
    principal,
    host: "*",
    operation,
    permissionType: AclPermissionTypes.ALLOW,
    resourceType: AclResourceTypes.GROUP,
    resourceName: prefix,
    resourcePatternType: ResourcePatternTypes.PREFIXED,
  }));
  await withAdmin(brokers, (admin) => admin.createAcls({ acl }));
}

/** The principal may do these things with the topic, and nothing else that was not allowed before. */
export async function allowOnTopic(
  brokers: readonly string[],
  allowed: {
    readonly principal: string;
    readonly topic: string;
    readonly operations: readonly TopicOperation[];
  },
): Promise<void> {
  const { principal, topic, operations } = allowed;
  const acl = operations.map((operation) => ({
    principal,
    host: "*",
    operation: AclOperationTypes[operation],
    permissionType: AclPermissionTypes.ALLOW,
    resourceType: AclResourceTypes.TOPIC,
    resourceName: topic,
    resourcePatternType: ResourcePatternTypes.LITERAL,
  }));
  await withAdmin(brokers, (admin) => admin.createAcls({ acl }));
}
