/** The topics' names, and the settings that the promises stand on: docs/architecture.md §7. */
export const MESSAGES_TOPIC = "chat.messages";

export const PARTITIONS_DEVELOPMENT = 12;

export const RETENTION_MS = 7 * 24 * 3_600_000;

/** A broker-side bound, above any record that the edge's own limits let through. */
export const RECORD_BYTES_MAX = 1_048_588;
