import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import kafkajs, {
  type AclResourceTypes as ResourceType,
  type ResourcePatternTypes as PatternType,
} from "kafkajs";
import { cacheFolder } from "./cache-folder.ts";
import { withAdmin } from "./kafka-client.ts";
import { LOG4J_CONFIG, findJava, kafkaJars } from "./kafka-jars.ts";
import { waitFor } from "./wait-for.ts";

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
export function allowOnGroups(
  brokers: readonly string[],
  { principal, prefix }: { readonly principal: string; readonly prefix: string },
): Promise<void> {
  return allow(brokers, {
    principal,
    operations: ["READ", "DELETE"],
    resourceType: AclResourceTypes.GROUP,
    resourceName: prefix,
    resourcePatternType: ResourcePatternTypes.PREFIXED,
  });
}

/** The principal may be a member of that consumer group, and commit in it. */
export function allowInGroup(
  brokers: readonly string[],
  { principal, group }: { readonly principal: string; readonly group: string },
): Promise<void> {
  return allow(brokers, {
    principal,
    operations: ["READ"],
    resourceType: AclResourceTypes.GROUP,
    resourceName: group,
    resourcePatternType: ResourcePatternTypes.LITERAL,
  });
}

/** The principal may do these things with the topic, and nothing else that was not allowed before. */
export function allowOnTopic(
  brokers: readonly string[],
  allowed: {
    readonly principal: string;
    readonly topic: string;
    readonly operations: readonly TopicOperation[];
  },
): Promise<void> {
  const { principal, topic, operations } = allowed;
  return allow(brokers, {
    principal,
    operations,
    resourceType: AclResourceTypes.TOPIC,
    resourceName: topic,
    resourcePatternType: ResourcePatternTypes.LITERAL,
  });
}

interface Allowance {
  readonly principal: string;
  readonly operations: readonly (TopicOperation | "DELETE")[];
  readonly resourceType: ResourceType;
  readonly resourceName: string;
  readonly resourcePatternType: PatternType;
}

/** Resolves when the broker goes by it: it hears of it a moment after the controller has taken it. */
async function allow(brokers: readonly string[], allowance: Allowance): Promise<void> {
  const { operations, ...common } = allowance;
  const permissionType = AclPermissionTypes.ALLOW;
  const entry = { ...common, host: "*", permissionType };
  const acl = operations.map((name) => ({ ...entry, operation: AclOperationTypes[name] }));
  await withAdmin(brokers, async (admin) => {
    await admin.createAcls({ acl });
    const isKnown = async (): Promise<boolean> => {
      const asked = { ...entry, operation: AclOperationTypes.ANY };
      const { resources } = await admin.describeAcls(asked);
      return resources.flatMap(({ acls }) => acls).length >= operations.length;
    };
    await waitFor(isKnown, { what: `the rights of ${common.principal} on ${common.resourceName}` });
  });
}
