import { ERRORS, type ErrFrame, REFUSALS } from "@millrace/schemas";
import type { Refusal } from "../admission/refusal.ts";
import type { HttpAnswer } from "./http-exchange.ts";

/** Why a request has failed, as an `err` frame would say it. */
export type HttpFailure = Pick<ErrFrame, "code" | "message" | "retryMs" | "unknown">;

/** Names of what only HTTP refuses; all others stand in the table of the schemas. */
export const HTTP_REFUSALS = {
  405: "method-not-allowed",
  415: "unsupported-media-type",
} as const;

export function jsonAnswer(status: number, body: object): HttpAnswer {
  return { status, body: JSON.stringify(body) };
}

/** `{error, message, retryMs?, unknown?}`: docs/protocol.md §9. */
export function failureAnswer({ code, message, retryMs, unknown }: HttpFailure): HttpAnswer {
  const retry = retryMs !== undefined && { retryMs };
  const answer = jsonAnswer(ERRORS[code].httpStatus, {
    error: code,
    message,
    ...retry,
    ...(unknown && { unknown }),
  });
  return retryMs === undefined ? answer : { ...answer, headers: retryAfter(retryMs / 1_000) };
}

/** The answer to a request that was refused before it was looked at in detail. */
export function refusalAnswer(refusal: Refusal): HttpAnswer {
  const { status, message, challenge, retryAfterS } = refusal;
  const retry = retryAfterS !== undefined && { retryMs: retryAfterS * 1_000 };
  return {
    ...jsonAnswer(status, { error: REFUSALS[status].name, message, ...retry }),
    headers: {
      ...(challenge !== undefined && { "WWW-Authenticate": challenge }),
      ...(retryAfterS !== undefined && retryAfter(retryAfterS)),
    },
  };
}

export function httpRefusal(status: keyof typeof HTTP_REFUSALS, message: string): HttpAnswer {
  return jsonAnswer(status, { error: HTTP_REFUSALS[status], message });
}

export function foreignOrigin(): HttpAnswer {
  return refusalAnswer({ status: 403, message: "this origin is not allowed" });
}

function retryAfter(seconds: number): Record<string, string> {
  return { "Retry-After": String(Math.max(1, Math.ceil(seconds))) };
}
