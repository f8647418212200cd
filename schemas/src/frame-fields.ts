import {
  type ConversationId,
  type UserId,
  dmConversation,
  parseConversation,
  parseUserId,
} from "./conversation.ts";
import type { ErrorCode } from "./error-table.ts";
import type { From, RequestId } from "./frames-up.ts";
import { LAST_MAX, TYPE_BYTES_MAX, TYPE_DEFAULT } from "./limits.ts";
import { type MessageKey, parseMessageKey } from "./message-key.ts";
import { type Position, parsePosition } from "./position.ts";
import { isValidUnicode, utf8Length } from "./text.ts";

/** A refused frame, as its `err` will say it: the id if it was good, else what names the frame. */
export interface FrameRefusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly id?: RequestId;
  readonly c?: string;
  readonly key?: string;
  readonly retryMs?: number;
  /**
   * Only for a refused `pub`, and not for the wire: its place in the order of answers and the chain
   * that it breaks (docs/protocol.md §3). The conversation is absent where it could not be read.
   */
  readonly pub?: { readonly conversation?: ConversationId; readonly behind?: RequestId };
}

// RFC 6838 §4.2 names, then any parameters, all in printable ASCII.
const MEDIA_TYPE = /^[A-Za-z0-9!#$&^_.+-]+\/[A-Za-z0-9!#$&^_.+-]+(?:[ ;][\x20-\x7e]*)?$/;

/**
 * Reads the fields of one frame and remembers the first thing that is wrong with it. Reading goes
 * on after a refusal with stand-in values, so that the caller needs no exceptions; it must look at
 * `refusal` before it uses what it read.
 */
export class FieldReader {
  readonly #object: Readonly<Record<string, unknown>>;
  #id: RequestId | undefined;
  #refusal: FrameRefusal | undefined;

  constructor(object: Readonly<Record<string, unknown>>) {
    this.#object = object;
  }

  get refusal(): FrameRefusal | undefined {
    return this.#refusal;
  }

  refuse(code: ErrorCode, message: string): FrameRefusal {
    this.#refusal ??= { code, message, ...this.#name() };
    return this.#refusal;
  }

  /** An own field; what is inherited (`constructor`, `__proto__`) does not exist. */
  own(name: string): unknown {
    return Object.hasOwn(this.#object, name) ? this.#object[name] : undefined;
  }

  requestId(): RequestId | undefined {
    const id = this.own("id");
    if (id === undefined) return undefined;
    if (isRequestId(id)) this.#id = id;
    else this.refuse("bad-frame", "id must be an integer, 0 to 2^53 - 1");
    return this.#id;
  }

  required(id: RequestId | undefined): RequestId {
    if (id === undefined) this.refuse("bad-frame", "id is missing");
    return id ?? 0;
  }

  optional<Value>(name: string, read: () => Value): Record<string, Value> {
    return this.own(name) === undefined ? {} : { [name]: read() };
  }

  string(name: string): string {
    const value = this.own(name);
    if (typeof value === "string") return value;
    this.refuse("bad-frame", `${name} must be a string`);
    return "";
  }

  integer(name: string): number {
    const value = this.own(name);
    if (isRequestId(value)) return value;
    this.refuse("bad-frame", `${name} must be an integer, 0 to 2^53 - 1`);
    return 0;
  }

  conversation(): ConversationId {
    const parsed = parseConversation(this.string("c"));
    if (parsed === undefined) this.refuse("bad-conversation", "c is no conversation id");
    return parsed?.id ?? ("" as ConversationId);
  }

  /** `c`, or `to` for the private conversation with that user. */
  addressee(sender: UserId): { conversation: ConversationId; to?: UserId } {
    if (this.own("to") === undefined) return { conversation: this.conversation() };
    if (this.own("c") !== undefined) this.refuse("bad-frame", "both c and to");
    const to = parseUserId(this.string("to"));
    if (to !== undefined) return { conversation: dmConversation(sender, to), to };
    this.refuse("bad-conversation", "to is no user id");
    return { conversation: "" as ConversationId };
  }

  messageKey(): MessageKey {
    const key = parseMessageKey(this.string("key"));
    if (key === undefined) this.refuse("bad-key", "key must be 1-64 bytes of 0x20-0x7E");
    return key ?? ("" as MessageKey);
  }

  position(name: string): Position {
    const position = parsePosition(this.string(name));
    if (position === undefined) this.refuse("bad-position", `${name} is no position`);
    return position as Position;
  }

  positionText(name: string): string {
    this.position(name);
    return this.string(name);
  }

  body(bytesMax: number): string {
    const body = this.string("body");
    // Bytes are at least as many as UTF-16 units, so a huge text is refused without being walked.
    if (body.length > bytesMax || utf8Length(body) > bytesMax) {
      this.refuse("body-too-large", `body has more than ${bytesMax} bytes`);
    } else if (!isValidUnicode(body)) this.refuse("bad-body", "body has a lone surrogate");
    return body;
  }

  mediaType(): string {
    if (this.own("type") === undefined) return TYPE_DEFAULT;
    const type = this.string("type");
    if (type.length > TYPE_BYTES_MAX || !MEDIA_TYPE.test(type)) {
      this.refuse("bad-frame", `type must be a media type of at most ${TYPE_BYTES_MAX} bytes`);
    }
    return type;
  }

  meta(bytesMax: number): Readonly<Record<string, string>> {
    const meta = this.own("meta");
    if (!isStringMap(meta)) {
      this.refuse("bad-frame", "meta must be an object of strings");
      return {};
    }
    const text = JSON.stringify(meta);
    if (utf8Length(text) > bytesMax) {
      this.refuse("body-too-large", `meta has more than ${bytesMax} bytes as JSON`);
    } else if (!Object.entries(meta).flat().every(isValidUnicode)) {
      this.refuse("bad-body", "meta has a lone surrogate");
    }
    return meta;
  }

  op(): "edit" | "delete" {
    const op = this.string("op");
    if (this.own("ref") === undefined) this.refuse("bad-frame", "op needs a ref");
    if (op !== "edit" && op !== "delete") this.refuse("bad-frame", "op must be edit or delete");
    return op as "edit" | "delete";
  }

  from(): From {
    const from = this.own("from") ?? "live";
    if (this.own("from") === null) return this.#unknownFrom();
    if (from === "live" || from === "acked" || from === "earliest") return { kind: from };
    if (typeof from !== "object" || Array.isArray(from)) return this.#unknownFrom();
    return this.#fromObject(new Map(Object.entries(from)));
  }

  #fromObject(from: ReadonlyMap<string, unknown>): From {
    const named = ["after", "last", "time"].filter((name) => from.has(name));
    if (named.length !== 1) return this.#unknownFrom();
    if (named[0] === "after") return this.#after(from.get("after"));
    if (named[0] === "last") return this.#last(from.get("last"));
    const timeMs = from.get("time");
    if (typeof timeMs === "number" && Number.isFinite(timeMs)) return { kind: "time", timeMs };
    this.refuse("bad-frame", "from.time must be a finite number");
    return { kind: "live" };
  }

  #after(text: unknown): From {
    if (typeof text !== "string") {
      this.refuse("bad-frame", "from.after must be a string");
      return { kind: "live" };
    }
    const position = parsePosition(text);
    if (position !== undefined) return { kind: "after", position, text };
    this.refuse("bad-position", "from.after is no position");
    return { kind: "live" };
  }

  #last(count: unknown): From {
    const isCount = typeof count === "number" && Number.isInteger(count);
    if (isCount && count >= 1 && count <= LAST_MAX) return { kind: "last", count };
    this.refuse("bad-frame", `from.last must be an integer, 1 to ${LAST_MAX}`);
    return { kind: "live" };
  }

  #unknownFrom(): From {
    this.refuse("bad-frame", "from is none of live, acked, earliest, after, last, time");
    return { kind: "live" };
  }

  /** The place of a refused `pub`; reads the fields anew, since any of them may be the bad one. */
  pubPlace(user: UserId): NonNullable<FrameRefusal["pub"]> {
    const behind = this.own("behind");
    const to = parseUserId(this.own("to"));
    const conversation =
      to === undefined ? parseConversation(this.own("c"))?.id : dmConversation(user, to);
    return {
      ...(conversation !== undefined && { conversation }),
      ...(isRequestId(behind) && { behind }),
    };
  }

  /** With an id the answer needs nothing else; without one, what the client can recognise. */
  #name(): { id?: RequestId; c?: string; key?: string } {
    if (this.#id !== undefined) return { id: this.#id };
    const conversation = parseConversation(this.own("c"));
    const key = parseMessageKey(this.own("key"));
    return { ...(conversation && { c: conversation.id }), ...(key && { key }) };
  }
}

function isRequestId(value: unknown): value is RequestId {
  return (
    typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && !isMinusZero(value)
  );
}

function isMinusZero(value: number): boolean {
  return Object.is(value, -0);
}

function isStringMap(value: unknown): value is Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((item) => typeof item === "string");
}
