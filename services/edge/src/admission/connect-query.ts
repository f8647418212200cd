import { type DeviceName, parseDeviceName } from "@millrace/schemas";
import type { SessionQuery } from "../session/sessions.ts";
import { refuse } from "./refusal.ts";

const TOKEN_PARAMETERS = ["token", "access_token", "jwt"];
const KNOWN_PARAMETERS = ["session", "attempt", "restore", "device", "ticket"];
const SESSION = /^[A-Za-z0-9_-]{1,64}$/;
const ATTEMPT = /^(?:0|[1-9]\d{0,14})$/;

export interface ConnectQuery {
  readonly device: DeviceName | undefined;
  readonly session: SessionQuery;
}

/** Throws a RefusalError for a query that is not in order. */
export function checkQuery(query: URLSearchParams): ConnectQuery {
  checkNoToken(query);
  for (const name of KNOWN_PARAMETERS) {
    if (query.getAll(name).length > 1) refuse(400, `${name} stands twice in the query`);
  }
  checkSpelling(query, "session", SESSION);
  checkSpelling(query, "attempt", ATTEMPT);
  checkSpelling(query, "restore", /^[01]$/);
  const sessionId = query.get("session");
  const session = {
    ...(sessionId !== null && { sessionId }),
    attempt: Number(query.get("attempt") ?? 0),
    isRestoring: query.get("restore") === "1",
  };
  const text = query.get("device");
  if (text === null) return { device: undefined, session };
  const device = parseDeviceName(text);
  if (device === undefined) refuse(400, "device is 1 to 64 of A-Z a-z 0-9 . _ -");
  return { device, session };
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
