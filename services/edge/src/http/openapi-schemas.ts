import { ERRORS, LAST_MAX, REFUSALS, TYPE_BYTES_MAX, TYPE_DEFAULT } from "@millrace/schemas";
import { LIMITS } from "../limits.ts";
import { HTTP_REFUSALS } from "./http-answer.ts";

const { bodyBytes, metaBytes } = LIMITS.announced;

export const CONVERSATION = {
  type: "string",
  description: "1 to 200 bytes of UTF-8 without control characters; docs/protocol.md §2.",
  examples: ["room:42", "dm:alice:bob"],
};

const POSITION = {
  type: "string",
  description: "A place in the log: store it, send it back, compare it for equality.",
  pattern: String.raw`^[A-Za-z0-9_-]{8}\.(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,18})$`,
  examples: ["Zm9vYmFy.7.4711"],
};

const TIME = { type: "integer", description: "Milliseconds since 1970." };

const MESSAGE_KEY = {
  type: "string",
  description: "The client's own id of the message: printable ASCII.",
  pattern: String.raw`^[\x20-\x7e]{1,64}$`,
};

const META = {
  type: "object",
  description: `At most ${metaBytes} bytes as JSON.`,
  additionalProperties: { type: "string" },
};

const WRITTEN = {
  body: { type: "string", description: `At most ${bodyBytes} bytes in UTF-8.` },
  key: ref("Key"),
  meta: META,
  ref: { ...POSITION, description: "The message that this one is about." },
  op: { enum: ["edit", "delete"], description: "What it does to the message at `ref`." },
};

/** What requests and answers hold: docs/protocol.md §3, §4 and §9. */
const SESSION = {
  type: "object",
  required: ["session", "sinceMs", "lastActiveMs"],
  properties: {
    session: { type: "string" },
    device: { type: "string", description: "Absent where none was named." },
    conn: { type: "string", description: "Absent while nobody is connected." },
    edge: { type: "string" },
    sinceMs: TIME,
    lastActiveMs: TIME,
  },
};

export const SCHEMAS = {
  Sessions: {
    type: "object",
    required: ["sessions"],
    properties: { sessions: { type: "array", items: SESSION } },
  },
  Position: POSITION,
  Key: MESSAGE_KEY,
  NewMessage: {
    type: "object",
    description: "The fields of a `pub` frame; other fields are ignored.",
    required: ["body"],
    properties: {
      ...WRITTEN,
      type: {
        type: "string",
        description: `A media type of at most ${TYPE_BYTES_MAX} bytes.`,
        default: TYPE_DEFAULT,
      },
      to: false,
      behind: false,
    },
  },
  Message: {
    type: "object",
    description: "A `msg` frame without `t` and `prev`.",
    required: ["c", "pos", "id", "from", "ts", "type", "body"],
    properties: {
      ...WRITTEN,
      c: CONVERSATION,
      pos: ref("Position"),
      id: { type: "string", format: "uuid" },
      from: { type: "string", description: "The user who wrote it." },
      to: { type: "string", description: "Only in private conversations that were named so." },
      ts: TIME,
      type: { type: "string" },
    },
  },
  Gap: {
    type: "object",
    description: "Nothing between `after` and `pos` will come.",
    required: ["after", "pos", "reason", "missed"],
    properties: {
      after: ref("Position"),
      pos: ref("Position"),
      reason: { enum: ["expired", "recreated", "truncated"] },
      missed: { type: ["integer", "null"], description: "How many messages, where it is known." },
    },
  },
  Page: {
    type: "object",
    required: ["messages", "pos", "head"],
    properties: {
      messages: {
        type: "array",
        description: "In log order. A page may hold fewer than it could: see `pos`.",
        items: ref("Message"),
        maxItems: LAST_MAX,
      },
      pos: {
        ...POSITION,
        description: "Where reading goes on behind the page: send it as `after`.",
      },
      head: { ...POSITION, description: "At or behind the newest message." },
      gap: ref("Gap"),
    },
  },
  Published: {
    type: "object",
    required: ["pos", "ts"],
    properties: {
      pos: ref("Position"),
      ts: TIME,
      dup: { const: true, description: "The key was used before: that is where it went." },
    },
  },
  Ticket: {
    type: "object",
    required: ["ticket", "expiresInMs"],
    properties: { ticket: { type: "string" }, expiresInMs: { type: "integer" } },
  },
  Error: {
    type: "object",
    required: ["error", "message"],
    properties: {
      error: { enum: errorNames() },
      message: { type: "string", description: "For people; it may change." },
      retryMs: { type: "integer", description: "Trying again can help after that long." },
      unknown: {
        const: true,
        description: "It may have been appended: publishing with the same key settles it.",
      },
    },
  },
};

export function ref(schema: string): { readonly $ref: string } {
  return { $ref: `#/components/schemas/${schema}` };
}

function errorNames(): string[] {
  const refusals = Object.values(REFUSALS).map(({ name }) => name);
  const own = Object.values(HTTP_REFUSALS);
  return [...new Set([...Object.keys(ERRORS), ...refusals, ...own])];
}
