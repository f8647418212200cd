import type { CheckedRequest } from "../admission/admission.ts";

/** What became of a request's body. */
export type BodyOutcome =
  | { readonly kind: "whole"; readonly bytes: Uint8Array }
  | { readonly kind: "too-large" }
  /** The client has gone. */
  | { readonly kind: "aborted" };

export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body?: string;
  /** The connection ends with it. */
  readonly isLast?: boolean;
}

/**
 * One HTTP request and its answer, as handlers see it: the seam between the product and the HTTP
 * library. What was asked is read before anything is awaited.
 */
export interface HttpExchange extends CheckedRequest {
  /** As it came: methods are case-sensitive (RFC 9110 §9.1). */
  readonly method: string;
  /** As it came, percent-encoding included. */
  readonly path: string;
  /** The client has gone: nothing that is done for it is wanted any more. */
  readonly signal: AbortSignal;
  /** Must be called before anything is awaited, or the body is lost. Never rejects. */
  readBody(bytesMax: number): Promise<BodyOutcome>;
  /** Once; a client that has gone is not answered. */
  respond(answer: HttpAnswer): void;
}
