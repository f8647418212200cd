import type { REFUSALS } from "@millrace/schemas";

/** An answer before the 101: docs/protocol.md §1. */
export interface Refusal {
  readonly status: keyof typeof REFUSALS;
  readonly message: string;
  /** Only with 401: what `WWW-Authenticate` says (RFC 6750). */
  readonly challenge?: string;
  /** Only with 429 and 503. */
  readonly retryAfterS?: number;
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

/** RFC 6750 §3; without a token there is no error to name. */
export function refuseToken(message: string, error?: "invalid_token"): never {
  const detail = error === undefined ? "" : `, error="${error}", error_description="${message}"`;
  throw new RefusalError({
    status: 401,
    message,
    challenge: `Bearer realm="millrace"${detail}`,
  });
}
