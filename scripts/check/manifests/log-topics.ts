import { auditTopicOf, controlTopicOf, cursorsTopicOf } from "../../../schemas/src/topics.ts";
import {
  TOPIC_SHAPES,
  type TopicPurpose,
  topicProblems,
  topicWishFor,
} from "../../../packages/log/src/kafka/topic-expectations.ts";
import { readEdgeConfig } from "../../../services/edge/src/config.ts";
import { type KafkaTopic, type ManifestSet, environmentOf, ofKind } from "./manifest.ts";

/** What promise 3 needs, whatever a cluster's size. */
const BROKERS = 3;

/**
 * The topics have what an edge looks for at its start. A set whose edges run as in development may
 * have as few replicas as its cluster has brokers.
 */
export function logTopics(set: ManifestSet): string[] {
  const edge = edgeConfig(set);
  if (edge === undefined) return [];
  const { topic, isDevelopment } = edge;
  const names: Readonly<Record<TopicPurpose, string>> = {
    messages: topic,
    cursors: cursorsTopicOf(topic),
    control: controlTopicOf(topic),
    audit: auditTopicOf(topic),
  };
  const topics = ofKind(set, "KafkaTopic");
  return Object.entries(names).flatMap(([purpose, name]) => {
    const found = topics.find(({ metadata }) => metadata.name === name);
    if (found === undefined) return [`there is no KafkaTopic ${name}`];
    return problemsOf(found, purpose as TopicPurpose, isDevelopment);
  });
}

function problemsOf(topic: KafkaTopic, purpose: TopicPurpose, isDevelopment: boolean): string[] {
  const { partitions, replicas, config = {} } = topic.spec;
  const values = new Map([
    ["partitions", String(partitions)],
    ["replication.factor", String(replicas)],
    ...Object.entries(config).map(([name, value]) => [name, String(value)] as const),
  ]);
  const shape = TOPIC_SHAPES[purpose];
  const nodes = isDevelopment ? replicas : BROKERS;
  const messages = topicProblems(values, { ...topicWishFor(nodes, isDevelopment), ...shape }).map(
    ({ setting, value, wanted, promise }) =>
      `${setting} is ${value}, wanted ${wanted} (${promise})`,
  );
  // No promise breaks with another one, and so nobody would notice a slip.
  const retention = values.get("retention.ms") ?? "not told";
  if (Number(retention) !== shape.retentionMs) {
    messages.push(`retention.ms is ${retention}, wanted ${shape.retentionMs}`);
  }
  return messages.map((message) => `KafkaTopic ${topic.metadata.name}: ${message}`);
}

function edgeConfig(set: ManifestSet): { topic: string; isDevelopment: boolean } | undefined {
  const containers = ofKind(set, "Deployment").flatMap(({ spec }) => spec.template.spec.containers);
  const edge = containers.find(({ name }) => name === "edge");
  const config = edge && readEdgeConfig(environmentOf(set, edge));
  return config?.ok ? config.values : undefined;
}
