import {
  type ConversationId,
  type UserId,
  parseConversation,
  parseUserId,
} from "../conversation.ts";
import { type Position, formatPosition, parsePosition } from "../position.ts";
import { percentDecode, percentEncode } from "../text.ts";
import { CONTROL_VERSIONS } from "./schema-index.ts";
import { WireFormat } from "./wire-format.ts";

/** What a ruling is about; there is at most one for each subject, the newest. */
export type RulingSubject =
  | { readonly kind: "ban"; readonly user: UserId }
  | {
      readonly kind: "removal" | "beginning";
      readonly user: UserId;
      readonly conversation: ConversationId;
    };

/** What an operator has ruled about a user's rights. */
export type Ruling =
  | {
      readonly kind: "ban";
      readonly user: UserId;
      /** Milliseconds since 1970; without it, until it is lifted. */
      readonly untilMs?: number;
    }
  | { readonly kind: "removal"; readonly user: UserId; readonly conversation: ConversationId }
  | {
      readonly kind: "beginning";
      readonly user: UserId;
      readonly conversation: ConversationId;
      /** What stands before it is not the user's to read. */
      readonly position: Position;
    };

/** What a record of `chat.control` holds: `avro/control.v1.avsc` says what each field means. */
export interface ControlRecord {
  readonly ruling: Ruling;
  readonly operator: string;
  /** Milliseconds since 1970, by the clock of the edge that took the call. */
  readonly ruledAtMs: number;
}

export type ControlOutcome =
  | { readonly kind: "ruled"; readonly record: ControlRecord }
  | { readonly kind: "lifted"; readonly subject: RulingSubject }
  | { readonly kind: "undecodable"; readonly why: string };

interface Fields {
  readonly kind: string;
  readonly user: string;
  readonly conversation: string | null;
  readonly until: bigint | null;
  readonly position: string | null;
  readonly operator: string;
  readonly ruled_at: bigint;
}

const format = new WireFormat(CONTROL_VERSIONS);

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The text of the record key: `ban/<user>`, `removal/<user>/<conversation>`, `beginning/…`; the user
 * percent-encoded, so that no two subjects share one.
 */
export function subjectText(subject: RulingSubject): string {
  const owner = `${subject.kind}/${percentEncode(subject.user)}`;
  return subject.kind === "ban" ? owner : `${owner}/${subject.conversation}`;
}

export function controlRecordKey(subject: RulingSubject): Uint8Array {
  return Buffer.from(subjectText(subject));
}

export function encodeControl({ ruling, operator, ruledAtMs }: ControlRecord): Uint8Array {
  const until = ruling.kind === "ban" ? ruling.untilMs : undefined;
  return format.encode({
    kind: ruling.kind,
    user: ruling.user,
    conversation: ruling.kind === "ban" ? null : ruling.conversation,
    until: until === undefined ? null : BigInt(Math.trunc(until)),
    position: ruling.kind === "beginning" ? formatPosition(ruling.position) : null,
    operator,
    ruled_at: BigInt(Math.trunc(ruledAtMs)),
  });
}

/**
 * What a record rules or lifts; never throws, whatever the bytes. Key and value must name the same
 * subject: compaction goes by the key alone, so one that lies would outlive or undo another's.
 */
export function decodeControl(key: Uint8Array | null, value: Uint8Array | null): ControlOutcome {
  const subject = key === null ? undefined : subjectIn(key);
  if (subject === undefined) return undecodable("the key names no subject");
  if (value === null) return { kind: "lifted", subject };
  const decoded = format.decode(value);
  if (decoded.kind === "undecodable") return decoded;
  const fields = decoded.fields as Fields;
  const ruling = rulingOf(fields, subject);
  if (ruling === undefined) return undecodable("the value is no ruling of its key's subject");
  const record = { ruling, operator: fields.operator, ruledAtMs: Number(fields.ruled_at) };
  return { kind: "ruled", record };
}

function subjectIn(key: Uint8Array): RulingSubject | undefined {
  let text: string;
  try {
    text = utf8.decode(key);
  } catch {
    // Bytes that are no UTF-8 spell no subject.
    return undefined;
  }
  const [, kind = "", encoded = "", name] = /^(\w+)\/([^/]+)(?:\/(.+))?$/s.exec(text) ?? [];
  const user = parseUserId(percentDecode(encoded));
  if (user === undefined) return undefined;
  const conversation = parseConversation(name)?.id;
  if (kind === "ban") return name === undefined ? { kind, user } : undefined;
  if (conversation === undefined || (kind !== "removal" && kind !== "beginning")) return undefined;
  return { kind, user, conversation };
}

function rulingOf(fields: Fields, subject: RulingSubject): Ruling | undefined {
  const { kind, user } = subject;
  if (fields.kind !== kind || fields.user !== user) return undefined;
  if (kind === "ban") {
    const { until } = fields;
    return { kind, user, ...(until !== null && { untilMs: Number(until) }) };
  }
  const { conversation } = subject;
  if (fields.conversation !== conversation) return undefined;
  if (kind === "removal") return { kind, user, conversation };
  const position = parsePosition(fields.position);
  return position && { kind, user, conversation, position };
}

function undecodable(why: string): ControlOutcome {
  return { kind: "undecodable", why };
}
