export type * from "./port.ts";
export { MemoryLog, type MemoryLogOptions, createMemoryLog } from "./memory/memory-log.ts";
export { type ForeignRecord, MemoryTopic, type WriteFault } from "./memory/memory-topic.ts";
