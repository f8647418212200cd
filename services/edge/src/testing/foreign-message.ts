import { newMessageId } from "@millrace/schemas/record";

/** A message that none of our edges wrote, in the contract's own words. */
export function foreignMessage(conversation: string, content: string) {
  return {
    id: newMessageId(Date.now()),
    conversation,
    sender: "foreign",
    recipient: null,
    group: conversation,
    key: null,
    contentType: "text/plain",
    content,
    meta: {},
    ref: null,
    op: null,
    sentAt: 0n,
  };
}
