export type * from "./ownership.ts";
export type * from "./port.ts";
export {
  type EnsureTopicOptions,
  type TopicReport,
  ensureTopic,
  formatProblem,
} from "./kafka/admin.ts";
export * from "./kafka/cluster/cluster-admin.ts";
export { type KafkaSecurity, kafkaSecurity } from "./kafka/credentials.ts";
export {
  type AssignmentRequest,
  type Candidate,
  assignPartitions,
} from "./kafka/group/assignment.ts";
export type { MemberWords } from "./kafka/group/membership.ts";
export { type OwnershipGroupOptions, createOwnershipGroup } from "./kafka/group/ownership-group.ts";
export { type KafkaLogOptions, createKafkaLog } from "./kafka/kafka-log.ts";
export type { ReplicaWish } from "./kafka/protocol/alter-reassignments.ts";
export type { SettingsChange } from "./kafka/protocol/incremental-alter-configs.ts";
export type { PartitionReassignment } from "./kafka/protocol/list-reassignments.ts";
export type { ClusterNode, PartitionPlacement } from "./kafka/protocol/metadata.ts";
export type { TopicProblem, TopicPurpose } from "./kafka/topic-expectations.ts";
export { LOG_CACHE_BYTES } from "./kafka/reader/kafka-reader.ts";
export { MemoryLog, type MemoryLogOptions, createMemoryLog } from "./memory/memory-log.ts";
export { type ForeignRecord, MemoryTopic, type WriteFault } from "./memory/memory-topic.ts";
export { recordsOf } from "./records-of.ts";
