/** The topics' names, and the settings that the promises stand on: docs/architecture.md §7. */
export const MESSAGES_TOPIC = "chat.messages";

/** The compacted topic of the acknowledged positions in a topic of messages: `chat.cursors`. */
export function cursorsTopicOf(messagesTopic: string): string {
  return `${familyOf(messagesTopic)}.cursors`;
}

/** The compacted topic of what operators rule about users' rights: `chat.control`. */
export function controlTopicOf(messagesTopic: string): string {
  return `${familyOf(messagesTopic)}.control`;
}

/** What operators have done, and what came of it: `chat.audit`. */
export function auditTopicOf(messagesTopic: string): string {
  return `${familyOf(messagesTopic)}.audit`;
}

/** The consumer group whose members decide who relays which partition. */
export function ownershipGroupOf(messagesTopic: string): string {
  return `${messagesTopic}.edges`;
}

function familyOf(messagesTopic: string): string {
  return messagesTopic.replace(/\.messages$/, "");
}

export const PARTITIONS_DEVELOPMENT = 12;

export const CURSOR_PARTITIONS = 6;

/** One, so that rulings have one order. */
export const CONTROL_PARTITIONS = 1;

/** One, so that what operators do has one order. */
export const AUDIT_PARTITIONS = 1;

/** A year and a month: whoever looks at a year's end still finds its beginning. */
export const AUDIT_RETENTION_MS = 400 * 24 * 3_600_000;

/** A cursor that was not moved for that long is forgotten, in the topic as in Redis. */
export const CURSOR_RETENTION_MS = 30 * 24 * 3_600_000;

export const RETENTION_MS = 7 * 24 * 3_600_000;

/** A broker-side bound, above any record that the edge's own limits let through. */
export const RECORD_BYTES_MAX = 1_048_588;
