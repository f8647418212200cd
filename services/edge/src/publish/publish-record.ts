import { encodeMessage, newMessageId } from "@millrace/schemas/record";
import type { PublishRequest } from "./publish-gate.ts";

/** The record value of a publish that the edge took at that time of its own clock. */
export function recordOf({ frame, sender }: PublishRequest, wallMs: number): Uint8Array {
  const isPrivate = frame.conversation.startsWith("dm:");
  return encodeMessage({
    id: newMessageId(wallMs),
    conversation: frame.conversation,
    sender,
    recipient: frame.to ?? null,
    group: isPrivate ? null : frame.conversation,
    key: frame.key ?? null,
    contentType: frame.type,
    content: frame.body,
    meta: frame.meta ?? {},
    ref: frame.ref ?? null,
    op: frame.op ?? null,
    sentAt: BigInt(Math.trunc(wallMs)),
  });
}
