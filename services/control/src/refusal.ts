/** Why a call is not carried out, and in its message what to do. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 429 | 502 | 503;
  readonly code: string;
  readonly message: string;
}

/** Thrown by whoever finds that a call can't be carried out; the API answers with it. */
export class RefusalError extends Error {
  override readonly name = "RefusalError";
  readonly refusal: Refusal;

  constructor(refusal: Refusal, options?: ErrorOptions) {
    super(refusal.message, options);
    this.refusal = refusal;
  }
}

const CODES = {
  400: "bad-request",
  401: "unauthorized",
  403: "forbidden",
  404: "not-found",
  409: "conflict",
  413: "too-large",
  429: "rate-limited",
  502: "edge-failed",
  503: "unavailable",
} as const;

export function refuse(status: Refusal["status"], message: string): never {
  throw new RefusalError({ status, code: CODES[status], message });
}
