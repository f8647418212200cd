import type { REFUSALS } from "@millrace/schemas";
import type { LimitName } from "../limit-table.ts";

/** An answer before the 101: docs/protocol.md §1. */
export interface Refusal {
  readonly status: keyof typeof REFUSALS;
  readonly message: string;
  /** Only with 401: what `WWW-Authenticate` says (RFC 6750). */
  readonly challenge?: string;
  /** Only with 429 and 503. */
  readonly retryAfterS?: number;
  /** Which limit was reached, if it was one. */
  readonly limit?: LimitName;
}

/** Thrown inside the admission only; whoever asks gets the refusal as an outcome. */
export class RefusalError extends Error {
  override readonly name = "RefusalError";
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

export function refuse(status: Refusal["status"], message: string): never {
  throw new RefusalError({ status, message });
}

/** Of one user or address; others still get in. */
export function tooMany(limit: LimitName, message: string): never {
  throw new RefusalError({ status: 429, message, retryAfterS: 1, limit });
}

/** RFC 6750 §3; without a token there is no error to name. */
export function refuseToken(message: string, error?: "invalid_token"): never {
  const detail = error === undefined ? "" : `, error="${error}", error_description="${message}"`;
  throw new RefusalError({
    status: 401,
    message,
    challenge: `Bearer realm="millrace"${detail}`,
  });
}
