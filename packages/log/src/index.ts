export type * from "./ownership.ts";
export type * from "./port.ts";
export * from "./kafka/admin.ts";
export { type KafkaSecurity, kafkaSecurity } from "./kafka/credentials.ts";
export { type OwnershipGroupOptions, createOwnershipGroup } from "./kafka/group/ownership-group.ts";
export { type KafkaLogOptions, createKafkaLog } from "./kafka/kafka-log.ts";
export { MemoryLog, type MemoryLogOptions, createMemoryLog } from "./memory/memory-log.ts";
export { type ForeignRecord, MemoryTopic, type WriteFault } from "./memory/memory-topic.ts";
export { recordsOf } from "./records-of.ts";
