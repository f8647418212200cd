import { type MapEntry, SCHEMA_VERSIONS } from "./schema-index.ts";
import { WireFormat } from "./wire-format.ts";

/** What a record of `chat.messages` holds: `avro/message.v1.avsc` says what each field means. */
export interface Message {
  readonly id: string;
  readonly conversation: string;
  readonly sender: string;
  readonly recipient: string | null;
  readonly group: string | null;
  readonly key: string | null;
  readonly contentType: string;
  readonly content: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly ref: string | null;
  readonly op: string | null;
  /** Milliseconds since 1970, by the clock of the edge that took the publish. */
  readonly sentAt: bigint;
}

export type DecodeOutcome =
  | { readonly kind: "message"; readonly message: Message }
  | { readonly kind: "undecodable"; readonly why: string };

/** No edge lets in so much; a larger value of a foreign producer would burst its receivers. */
export const VALUE_BYTES_MAX = 131_072;

const format = new WireFormat(SCHEMA_VERSIONS);

/** The record value of a message, in memory of its own. */
export function encodeMessage(message: Message): Uint8Array {
  return format.encode({
    id: message.id,
    conversation: message.conversation,
    sender: message.sender,
    recipient: message.recipient,
    group: message.group,
    key: message.key,
    content_type: message.contentType,
    content: message.content,
    meta: Object.entries(message.meta).map(([name, value]) => ({ name, value })),
    ref: message.ref,
    op: message.op,
    sent_at: message.sentAt,
  });
}

/** The message in a record value; never throws, whatever the bytes. */
export function decodeMessage(value: Uint8Array): DecodeOutcome {
  if (value.length > VALUE_BYTES_MAX) return { kind: "undecodable", why: "too large" };
  const decoded = format.decode(value);
  if (decoded.kind === "undecodable") return decoded;
  return { kind: "message", message: messageOf(decoded.fields as Fields) };
}

interface Fields {
  readonly id: string;
  readonly conversation: string;
  readonly sender: string;
  readonly recipient: string | null;
  readonly group: string | null;
  readonly key: string | null;
  readonly content_type: string;
  readonly content: string;
  readonly meta: readonly MapEntry[];
  readonly ref: string | null;
  readonly op: string | null;
  readonly sent_at: bigint;
}

function messageOf(fields: Fields): Message {
  return {
    id: fields.id,
    conversation: fields.conversation,
    sender: fields.sender,
    recipient: fields.recipient,
    group: fields.group,
    key: fields.key,
    contentType: fields.content_type,
    content: fields.content,
    meta: Object.fromEntries(fields.meta.map(({ name, value }) => [name, value])),
    ref: fields.ref,
    op: fields.op,
    sentAt: fields.sent_at,
  };
}
