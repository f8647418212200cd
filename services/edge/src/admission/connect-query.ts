import { type DeviceName, parseDeviceName } from "@millrace/schemas";
import { refuse } from "./refusal.ts";

const TOKEN_PARAMETERS = ["token", "access_token", "jwt"];
const KNOWN_PARAMETERS = ["session", "attempt", "restore", "device", "ticket"];
const SESSION = /^[A-Za-z0-9_-]{1,64}$/;
const ATTEMPT = /^(?:0|[1-9]\d{0,14})$/;

/** Throws a RefusalError for a query that is not in order; the answer is the device, if any. */
export function checkQuery(query: URLSearchParams): DeviceName | undefined {
  checkNoToken(query);
  for (const name of KNOWN_PARAMETERS) {
    if (query.getAll(name).length > 1) refuse(400, `${name} stands twice in the query`);
  }
  checkSpelling(query, "session", SESSION);
  checkSpelling(query, "attempt", ATTEMPT);
  checkSpelling(query, "restore", /^[01]$/);
  const text = query.get("device");
  if (text === null) return undefined;
  return parseDeviceName(text) ?? refuse(400, "device is 1 to 64 of A-Z a-z 0-9 . _ -");
}

export function checkNoToken(query: URLSearchParams): void {
  for (const name of TOKEN_PARAMETERS) {
    if (query.has(name)) refuse(400, "a token in the query string would end up in logs");
  }
}

function checkSpelling(query: URLSearchParams, name: string, grammar: RegExp): void {
  const text = query.get(name);
  if (text !== null && !grammar.test(text)) refuse(400, `${name} is malformed`);
}
