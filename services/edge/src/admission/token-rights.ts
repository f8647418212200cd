import { type ConversationId, parseConversation } from "@millrace/schemas";
import type { Identity } from "./identity.ts";

/** Whether that user may receive this conversation; the token's patterns never open reserved ones. */
export function mayRead(identity: Identity, conversation: ConversationId): boolean {
  const kind = parseConversation(conversation)?.kind;
  switch (kind?.kind) {
    case "free":
      return matches(identity.rights.read, conversation);
    case "dm":
      return kind.users.includes(identity.user);
    case "inbox":
      return kind.user === identity.user;
    case "system":
    case undefined:
      return false;
  }
}

/** Whether that user may publish there. An inbox is the server's to write. */
export function mayWrite(identity: Identity, conversation: ConversationId): boolean {
  const kind = parseConversation(conversation)?.kind;
  switch (kind?.kind) {
    case "free":
      return matches(identity.rights.write, conversation);
    case "dm":
      return kind.users.includes(identity.user);
    case "inbox":
    case "system":
    case undefined:
      return false;
  }
}

/** An exact id, a prefix that ends in `*`, or `*` alone: docs/protocol.md §1. */
function matches(patterns: readonly string[], conversation: ConversationId): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith("*")
      ? conversation.startsWith(pattern.slice(0, -1))
      : conversation === pattern,
  );
}
