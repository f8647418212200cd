import { type MapEntry, SCHEMA_VERSIONS, type SchemaVersion, typeOf } from "./schema-index.ts";

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

/** Confluent wire format: a zero byte, the schema id (big-endian), the Avro body. */
const MAGIC = 0;
const HEADER_BYTES = 5;

/** No edge lets in so much; a larger value of a foreign producer would burst its receivers. */
export const VALUE_BYTES_MAX = 131_072;

const newest = newestVersion();
const newestType = typeOf(newest.schema);
/** How the newest version reads each one that was ever written; itself without a detour. */
const resolvers = new Map(
  SCHEMA_VERSIONS.map(({ id, schema }) => [
    id,
    id === newest.id ? undefined : newestType.createResolver(typeOf(schema)),
  ]),
);

function newestVersion(): SchemaVersion {
  const version = SCHEMA_VERSIONS.at(-1);
  if (version === undefined) throw new Error("avro/index.json names no schema");
  return version;
}

/** The record value of a message, in memory of its own. */
export function encodeMessage(message: Message): Uint8Array {
  const body = newestType.toBuffer({
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
  const value = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  value.writeUInt8(MAGIC, 0);
  value.writeUInt32BE(newest.id, 1);
  value.set(body, HEADER_BYTES);
  return value;
}

/** The message in a record value; never throws, whatever the bytes. */
export function decodeMessage(value: Uint8Array): DecodeOutcome {
  if (value.length > VALUE_BYTES_MAX) return { kind: "undecodable", why: "too large" };
  if (value.length < HEADER_BYTES) return { kind: "undecodable", why: "too short" };
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes[0] !== MAGIC) return { kind: "undecodable", why: "no schema id" };
  const id = bytes.readUInt32BE(1);
  if (!resolvers.has(id)) return { kind: "undecodable", why: `unknown schema id ${id}` };
  try {
    const { value: fields, offset } = newestType.decode(bytes, HEADER_BYTES, resolvers.get(id));
    if (offset !== bytes.length) return { kind: "undecodable", why: "truncated or too long" };
    return { kind: "message", message: messageOf(fields as Fields) };
  } catch (error) {
    return { kind: "undecodable", why: `not of its schema: ${(error as Error).name}` };
  }
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
