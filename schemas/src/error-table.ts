/**
 * The one table of codes: what each means, who must act, and whether trying again can help.
 * docs/errors.md is compared with it by `npm run check`.
 */

/** Who must act before the request can succeed. */
export type Actor = "client" | "user" | "operator" | "nobody";

export interface ErrorEntry {
  readonly meaning: string;
  readonly actor: Actor;
  /** The same request may succeed later. */
  readonly retry: boolean;
  /** The status where the same refusal is given over HTTP (docs/protocol.md §9). */
  readonly httpStatus: number;
}

/** Codes of an `err` frame: docs/protocol.md §8. */
export const ERRORS = {
  "bad-frame": {
    meaning: "not a frame of the protocol, or a field of a wrong type",
    actor: "client",
    retry: false,
    httpStatus: 400,
  },
  "bad-conversation": {
    meaning: "not a conversation id",
    actor: "client",
    retry: false,
    httpStatus: 400,
  },
  "bad-body": {
    meaning: "the body is not valid Unicode text",
    actor: "client",
    retry: false,
    httpStatus: 400,
  },
  "bad-key": {
    meaning: "the key is not 1–64 characters of printable ASCII",
    actor: "client",
    retry: false,
    httpStatus: 400,
  },
  "bad-position": {
    meaning: "malformed, beyond the end, or of another conversation's partition",
    actor: "client",
    retry: false,
    httpStatus: 400,
  },
  "body-too-large": {
    meaning: "body or meta has more bytes than the limits in welcome",
    actor: "user",
    retry: false,
    httpStatus: 413,
  },
  forbidden: {
    meaning: "the token's rights do not cover this",
    actor: "user",
    retry: false,
    httpStatus: 403,
  },
  "rate-limited": {
    meaning: "too many requests; try again after retryMs",
    actor: "client",
    retry: true,
    httpStatus: 429,
  },
  "too-many-subscriptions": {
    meaning: "the connection holds as many subscriptions as it may",
    actor: "client",
    retry: false,
    httpStatus: 429,
  },
  "too-many-in-flight": {
    meaning: "too many publishes without an answer; wait for one",
    actor: "client",
    retry: true,
    httpStatus: 429,
  },
  "not-subscribed": {
    meaning: "the connection has no subscription of that conversation",
    actor: "client",
    retry: false,
    httpStatus: 400,
  },
  "not-appended": {
    meaning: "surely not in the log: a publish it stood behind has failed",
    actor: "client",
    retry: true,
    httpStatus: 503,
  },
  unavailable: {
    meaning: "a dependency does not answer; with unknown: true it may have been appended",
    actor: "nobody",
    retry: true,
    httpStatus: 503,
  },
  "bad-token": {
    meaning: "the token given in auth is not valid for this connection",
    actor: "client",
    retry: false,
    httpStatus: 401,
  },
  internal: {
    meaning: "a defect on the server's side",
    actor: "operator",
    retry: true,
    httpStatus: 500,
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

export interface CloseEntry {
  readonly name: string;
  /** What the client does next. */
  readonly next: "stop" | "reconnect" | "back-off" | "new-token";
}

/** Close codes of the WebSocket: docs/protocol.md §8. The name is also the close reason. */
export const CLOSES = {
  1000: { name: "normal", next: "stop" },
  1001: { name: "edge stops", next: "reconnect" },
  1009: { name: "frame too large", next: "reconnect" },
  4400: { name: "bad-frame", next: "stop" },
  4403: { name: "forbidden", next: "stop" },
  4409: { name: "replaced", next: "stop" },
  4450: { name: "flood", next: "back-off" },
  4451: { name: "token expired", next: "new-token" },
  4458: { name: "heartbeat lost", next: "reconnect" },
  4500: { name: "internal", next: "reconnect" },
  4503: { name: "overloaded", next: "reconnect" },
} as const satisfies Record<number, CloseEntry>;

export type CloseCode = keyof typeof CLOSES;

/** What to do after a close code, also one that this version does not know. */
export function nextAfterClose(code: number): CloseEntry["next"] {
  if (code in CLOSES) return CLOSES[code as CloseCode].next;
  return code >= 4400 && code <= 4449 ? "stop" : "reconnect";
}

/** Refusals before the 101: docs/protocol.md §1. */
export const REFUSALS = {
  400: { name: "bad-request", next: "stop" },
  401: { name: "unauthorized", next: "new-token" },
  403: { name: "forbidden", next: "stop" },
  404: { name: "not-found", next: "stop" },
  409: { name: "replaced", next: "stop" },
  429: { name: "too-many-requests", next: "back-off" },
  431: { name: "headers-too-large", next: "stop" },
  503: { name: "unavailable", next: "back-off" },
} as const satisfies Record<number, { name: string; next: CloseEntry["next"] }>;

export type RefusalStatus = keyof typeof REFUSALS;
