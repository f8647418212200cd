import { newMessageId } from "@millrace/schemas/record";

/** A message that none of our edges wrote, in the contract's own words. */
export function foreignMessage(c: string, content: string) {
  return {
    id: newMessageId(Date.now()),
    conversation: c,
    sender: "foreign",
    recipient: null,
    group: c,
    key: null,
    contentType: "text/plain",
    content,
    meta: {},
    ref: null,
    op: null,
    sentAt: 0n,
  };
}

/** The same as the schema names it, for a producer that reads the files. */
export function foreignFields(c: string, content: string): Record<string, unknown> {
  const { contentType, sentAt, ...fields } = foreignMessage(c, content);
  return { ...fields, content_type: contentType, sent_at: String(sentAt) };
}
