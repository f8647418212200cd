import { type ConversationId, type UserId, parseConversation } from "@millrace/schemas";
import { encodeMessage, newMessageId } from "@millrace/schemas/record";
import type { PublishRequest } from "./publish-gate.ts";

/** The record value of a publish that the edge took at that time of its own clock. */
export function recordOf({ frame, sender }: PublishRequest, wallMs: number): Uint8Array {
  const { conversation } = frame;
  const isPrivate = conversation.startsWith("dm:");
  return encodeMessage({
    id: newMessageId(wallMs),
    conversation,
    sender,
    recipient: isPrivate ? (frame.to ?? peerOf(conversation, sender)) : null,
    group: isPrivate ? null : conversation,
    key: frame.key ?? null,
    contentType: frame.type,
    content: frame.body,
    meta: frame.meta ?? {},
    ref: frame.ref ?? null,
    op: frame.op ?? null,
    sentAt: BigInt(Math.trunc(wallMs)),
  });
}

/** The other one of a private conversation; with oneself, oneself. */
function peerOf(conversation: ConversationId, user: UserId): UserId | null {
  const kind = parseConversation(conversation)?.kind;
  if (kind?.kind !== "dm") return null;
  const [first, second] = kind.users;
  return first === user ? second : first;
}
