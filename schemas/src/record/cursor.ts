import { type ConversationId, parseConversation } from "../conversation.ts";
import { parsePosition, type Position, formatPosition } from "../position.ts";
import { percentEncode } from "../text.ts";
import { CURSOR_VERSIONS } from "./schema-index.ts";
import { WireFormat } from "./wire-format.ts";

/** Whose cursor: a user's device, or a session where no device was named. */
export interface CursorKey {
  readonly user: string;
  readonly holder: CursorHolder;
  readonly conversation: ConversationId;
}

export type CursorHolder =
  | { readonly kind: "device"; readonly name: string }
  | { readonly kind: "session"; readonly id: string };

/** What a record of `chat.cursors` holds: `avro/cursor.v1.avsc` says what each field means. */
export interface CursorRecord {
  readonly key: CursorKey;
  readonly position: Position;
  /** Milliseconds since 1970, by the clock of the edge that took the acknowledgement. */
  readonly ackedAt: bigint;
}

const format = new WireFormat(CURSOR_VERSIONS);

/**
 * The record key: `<user>/d:<device>/<conversation>`, or `s:<session>`; the user percent-encoded.
 * Neither part before the last holds a slash, so no two cursors share a key.
 */
export function cursorRecordKey({ user, holder, conversation }: CursorKey): Uint8Array {
  return Buffer.from(`${percentEncode(user)}/${holderName(holder)}/${conversation}`);
}

/** A device and a session never have one name. */
export function holderName(holder: CursorHolder): string {
  return holder.kind === "device" ? `d:${holder.name}` : `s:${holder.id}`;
}

export function encodeCursor({ key, position, ackedAt }: CursorRecord): Uint8Array {
  const { user, holder, conversation } = key;
  return format.encode({
    user,
    device: holder.kind === "device" ? holder.name : null,
    session: holder.kind === "session" ? holder.id : null,
    conversation,
    position: formatPosition(position),
    acked_at: ackedAt,
  });
}

/** Undefined: not a cursor that anybody could read. Never throws. */
export function decodeCursor(value: Uint8Array): CursorRecord | undefined {
  const decoded = format.decode(value);
  if (decoded.kind === "undecodable") return undefined;
  const fields = decoded.fields as {
    readonly user: string;
    readonly device: string | null;
    readonly session: string | null;
    readonly conversation: string;
    readonly position: string;
    readonly acked_at: bigint;
  };
  const position = parsePosition(fields.position);
  const { user, device, session } = fields;
  if (position === undefined || parseConversation(fields.conversation) === undefined) {
    return undefined;
  }
  const holder = holderOf(device, session);
  if (holder === undefined) return undefined;
  const conversation = fields.conversation as ConversationId;
  return { key: { user, holder, conversation }, position, ackedAt: fields.acked_at };
}

function holderOf(device: string | null, session: string | null): CursorHolder | undefined {
  if (device !== null) return { kind: "device", name: device };
  return session === null ? undefined : { kind: "session", id: session };
}
