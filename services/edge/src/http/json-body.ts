import type { HttpAnswer } from "./http-exchange.ts";
import type { Headers } from "../admission/credential.ts";
import { type HttpFailure, httpRefusal } from "./http-answer.ts";

export type JsonBody =
  | { readonly kind: "object"; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: "refused"; readonly failure: HttpFailure };

const MEDIA_TYPE = /^application\/json[ \t]*(?:;.*)?$/i;

// A byte order mark is no JSON (RFC 8259 §8.1), and stays in the text so that the parser says so.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What is wrong with the headers of a request that shall bring JSON; undefined: nothing. */
export function refuseMediaType(headers: Headers): HttpAnswer | undefined {
  const types = headers.get("content-type") ?? [];
  if (types.length !== 1 || !MEDIA_TYPE.test(types[0] ?? "")) {
    return httpRefusal(415, "Content-Type must be application/json");
  }
  const [encoding = "identity"] = headers.get("content-encoding") ?? [];
  return encoding.toLowerCase() === "identity"
    ? undefined
    : httpRefusal(415, "the body must not be encoded");
}

export function parseJsonBody(bytes: Uint8Array): JsonBody {
  let json: unknown;
  try {
    json = JSON.parse(utf8.decode(bytes));
  } catch {
    // The parser's own message would quote the client's text.
    return refused("the body is no JSON in UTF-8");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return refused("the body is no JSON object");
  }
  return { kind: "object", fields: json as Record<string, unknown> };
}

function refused(message: string): JsonBody {
  return { kind: "refused", failure: { code: "bad-frame", message } };
}
