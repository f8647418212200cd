import { foreignMessage } from "../../services/edge/src/testing/foreign-message.ts";

/** A foreign message as the schema names its fields, for a producer that reads the files. */
export function foreignFields(c: string, content: string): Record<string, unknown> {
  const { contentType, sentAt, ...fields } = foreignMessage(c, content);
  return { ...fields, content_type: contentType, sent_at: String(sentAt) };
}
