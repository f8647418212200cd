import {
  hasControlCharacter,
  isValidUnicode,
  percentDecode,
  percentEncode,
  utf8Length,
} from "./text.ts";

/** The unit of order and the record key: docs/protocol.md §2. */
export type ConversationId = string & { readonly __brand: "ConversationId" };

/** The plain id of a user: the token's `sub`. */
export type UserId = string & { readonly __brand: "UserId" };

export const CONVERSATION_BYTES_MAX = 200;

/** In percent-encoded form, so that `dm:<a>:<b>` of two users fits into a conversation id. */
export const USER_ID_ENCODED_BYTES_MAX = 90;

/** What a conversation id's prefix says about who may use it. */
export type ConversationKind =
  | { readonly kind: "free" }
  | { readonly kind: "dm"; readonly users: readonly [UserId, UserId] }
  | { readonly kind: "inbox"; readonly user: UserId }
  | { readonly kind: "system" };

/** A conversation id with its kind, or undefined where the text is no conversation id. */
export function parseConversation(
  text: unknown,
): { readonly id: ConversationId; readonly kind: ConversationKind } | undefined {
  if (typeof text !== "string" || text.length === 0) return undefined;
  if (text.length > CONVERSATION_BYTES_MAX || !isValidUnicode(text)) return undefined;
  if (utf8Length(text) > CONVERSATION_BYTES_MAX || hasControlCharacter(text)) return undefined;
  const kind = kindOf(text);
  return kind && { id: text as ConversationId, kind };
}

function kindOf(text: string): ConversationKind | undefined {
  if (text.startsWith("dm:")) return parseDm(text);
  if (text.startsWith("inbox:")) {
    const user = parseEncodedUser(text.slice("inbox:".length));
    return user === undefined ? undefined : { kind: "inbox", user };
  }
  if (text.startsWith("sys:")) return { kind: "system" };
  return { kind: "free" };
}

/** One spelling per pair, so that two people never have two private conversations. */
function parseDm(text: string): ConversationKind | undefined {
  const [, first, second, ...rest] = text.split(":");
  if (first === undefined || second === undefined || rest.length > 0) return undefined;
  // Encoded ids are ASCII, so the order of code units is the order of bytes.
  if (first > second) return undefined;
  const a = parseEncodedUser(first);
  const b = parseEncodedUser(second);
  return a === undefined || b === undefined ? undefined : { kind: "dm", users: [a, b] };
}

function parseEncodedUser(encoded: string): UserId | undefined {
  if (encoded.length === 0 || encoded.length > USER_ID_ENCODED_BYTES_MAX) return undefined;
  return percentDecode(encoded) as UserId | undefined;
}

/** A user id, or undefined when it is empty, too long in encoded form, or no valid Unicode. */
export function parseUserId(text: unknown): UserId | undefined {
  if (typeof text !== "string" || text.length === 0 || !isValidUnicode(text)) return undefined;
  if (text.length > USER_ID_ENCODED_BYTES_MAX) return undefined;
  return percentEncode(text).length > USER_ID_ENCODED_BYTES_MAX ? undefined : (text as UserId);
}

/** The private conversation of two users (or of one with oneself). */
export function dmConversation(a: UserId, b: UserId): ConversationId {
  const encoded = [percentEncode(a), percentEncode(b)].toSorted((x, y) => (x < y ? -1 : 1));
  return `dm:${encoded.join(":")}` as ConversationId;
}

/** What an inbox holds: that a private conversation has a new message, `{"c":…,"from":…}`. */
export const INBOX_CONTENT_TYPE = "application/vnd.millrace.inbox+json";

export function inboxConversation(user: UserId): ConversationId {
  return `inbox:${percentEncode(user)}` as ConversationId;
}
