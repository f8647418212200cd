export type * from "./port.ts";
export * from "./kafka/admin.ts";
export { type KafkaSecurity, kafkaSecurity } from "./kafka/credentials.ts";
export { type KafkaLogOptions, createKafkaLog } from "./kafka/kafka-log.ts";
export { LOG_CACHE_BYTES } from "./kafka/reader/kafka-reader.ts";
export { MemoryLog, type MemoryLogOptions, createMemoryLog } from "./memory/memory-log.ts";
export { type ForeignRecord, MemoryTopic, type WriteFault } from "./memory/memory-topic.ts";
export { recordsOf } from "./records-of.ts";
