import {
  MESSAGES_TOPIC,
  auditTopicOf,
  controlTopicOf,
  cursorsTopicOf,
  ownershipGroupOf,
} from "../../../schemas/src/topics.ts";
import { type ManifestSet, ofKind } from "./manifest.ts";

const OWN_TOPICS = [
  MESSAGES_TOPIC,
  cursorsTopicOf(MESSAGES_TOPIC),
  controlTopicOf(MESSAGES_TOPIC),
] as const;
const GROUP = ownershipGroupOf(MESSAGES_TOPIC);

/**
 * The least rights, as docs/operations.md lists them and the tests run with them. `Create` is left
 * out: here an operator makes the topics.
 */
const RIGHTS: Readonly<Record<string, readonly string[]>> = {
  edge: [
    ...OWN_TOPICS.map((topic) => `topic ${topic}: DescribeConfigs, Read, Write`),
    `group ${GROUP}: Read`,
  ],
  control: [
    ...OWN_TOPICS.map((topic) => `topic ${topic}: AlterConfigs, Describe, DescribeConfigs`),
    `topic ${auditTopicOf(MESSAGES_TOPIC)}: AlterConfigs, DescribeConfigs, Read, Write`,
    `group ${GROUP}: Describe`,
    "cluster: Alter, AlterConfigs, Describe, DescribeConfigs",
  ],
  analyst: [`topic ${MESSAGES_TOPIC}: Read`, "group analytics-*: Read"],
};

/** No user of Kafka may do less than it needs, and none may do more. */
export function logRights(set: ManifestSet): string[] {
  const users = ofKind(set, "KafkaUser");
  const strangers = users.filter(({ metadata }) => !(metadata.name in RIGHTS));
  return [
    ...strangers.map(({ metadata }) => `KafkaUser ${metadata.name}: nobody knows its rights`),
    ...Object.entries(RIGHTS).flatMap(([name, wanted]) => {
      const user = users.find(({ metadata }) => metadata.name === name);
      if (user === undefined) return [`there is no KafkaUser ${name}`];
      const given = (user.spec.authorization?.acls ?? []).map(({ resource, operations }) => {
        const place = `${resource.name ?? ""}${resource.patternType === "prefix" ? "*" : ""}`;
        return `${resource.type}${place && ` ${place}`}: ${operations.toSorted().join(", ")}`;
      });
      return [
        ...wanted.filter((right) => !given.includes(right)).map((right) => `lacks ${right}`),
        ...given.filter((right) => !wanted.includes(right)).map((right) => `may ${right}`),
      ].map((message) => `KafkaUser ${name}: ${message}`);
    }),
  ];
}
