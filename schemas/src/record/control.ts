import {
  type ConversationId,
  type UserId,
  parseConversation,
  parseUserId,
} from "../conversation.ts";
import { type Position, formatPosition, parsePosition } from "../position.ts";
import { percentDecode, percentEncode } from "../text.ts";
import {
  type OrderFields,
  type OrderRecord,
  type OrderSubject,
  orderIn,
  orderSubjectIn,
} from "./order.ts";
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

/** What a record of `chat.control` holds that is a ruling: `avro/control.v1.avsc`. */
export interface ControlRecord {
  readonly ruling: Ruling;
  readonly operator: string;
  /** Milliseconds since 1970, by the clock of the edge that took the call. */
  readonly ruledAtMs: number;
}

export type ControlOutcome =
  | { readonly kind: "ruled"; readonly record: ControlRecord }
  | { readonly kind: "lifted"; readonly subject: RulingSubject }
  | { readonly kind: "ordered"; readonly record: OrderRecord }
  | { readonly kind: "withdrawn"; readonly subject: OrderSubject }
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

/**
 * Rulings are written in the version that edges of every build read: one that steps over an id which it
 * does not know would let in whoever was banned.
 */
const RULINGS_VERSION = 1;

const format = new WireFormat(CONTROL_VERSIONS, RULINGS_VERSION);

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
 * What a record rules, orders or lifts; never throws, whatever the bytes. Key and value must name the same
 * subject: compaction goes by the key alone, so one that lies would outlive or undo another's.
 */
export function decodeControl(key: Uint8Array | null, value: Uint8Array | null): ControlOutcome {
  const text = key === null ? undefined : textOf(key);
  if (text === undefined) return undecodable("the key names no subject");
  const ordered = orderSubjectIn(text);
  if (ordered !== undefined) return decodeOrder(ordered, value);
  const subject = subjectIn(text);
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

function decodeOrder(subject: OrderSubject, value: Uint8Array | null): ControlOutcome {
  if (value === null) return { kind: "withdrawn", subject };
  const decoded = format.decode(value);
  if (decoded.kind === "undecodable") return decoded;
  const fields = decoded.fields as OrderFields;
  const order = orderIn(fields, subject);
  if (order === undefined) return undecodable("the value is no order of its key's subject");
  const { operator, ruled_at } = fields;
  return { kind: "ordered", record: { order, operator, ruledAtMs: Number(ruled_at) } };
}

function textOf(key: Uint8Array): string | undefined {
  try {
    return utf8.decode(key);
  } catch {
    // Bytes that are no UTF-8 spell no subject.
    return undefined;
  }
}

function subjectIn(text: string): RulingSubject | undefined {
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
