import { type JWTPayload, errors, jwtVerify } from "jose";
import type { Clock } from "../clock.ts";
import type { IssuerKeys } from "./issuer-keys.ts";

export interface TokenRules {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: IssuerKeys;
  readonly clock: Pick<Clock, "wallMs">;
}

/** The claims of a token that is in order, or what is wrong with it. */
export type TokenOutcome =
  | { readonly kind: "claims"; readonly claims: JWTPayload }
  /** 401: it proves nothing; 403: it proves something, but not for us. */
  | { readonly kind: "refused"; readonly status: 401 | 403; readonly why: string };

/** A token ends that long after its `exp`, everywhere: docs/protocol.md §1. */
export const TOKEN_LEEWAY_MS = 5_000;

/** The server's choice, never the token's (RFC 8725 §3.1). */
const ALGORITHMS = ["ES256", "EdDSA", "RS256"];
const TYPES = new Set(["at+jwt", "jwt", "application/at+jwt"]);
const TOKEN_BYTES_MAX = 7_168;

/** Verifies a JWT (RFC 7519) by the issuer's keys. Never rejects; no word of the token comes back. */
export async function claimsOf(token: string, rules: TokenRules): Promise<TokenOutcome> {
  const { issuer, audience, keys, clock } = rules;
  if (token.length > TOKEN_BYTES_MAX) return refused("the token is too long");
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keys.keyFor, {
      algorithms: ALGORITHMS,
      issuer,
      audience,
      requiredClaims: ["sub", "exp", "aud", "iss"],
      clockTolerance: TOKEN_LEEWAY_MS / 1_000,
      currentDate: new Date(clock.wallMs()),
    });
    const isOfType = TYPES.has(String(protectedHeader.typ).toLowerCase());
    return isOfType ? { kind: "claims", claims: payload } : refused("typ must be at+jwt or JWT");
  } catch (cause) {
    if (!isWrongAudience(cause)) return refused(reasonOf(cause));
    return { kind: "refused", status: 403, why: "the token is for another audience" };
  }
}

/** Whether the token's `scope` (RFC 8693 §4.2) has that word. */
export function hasScope({ scope: scopes }: JWTPayload, scope: string): boolean {
  return typeof scopes === "string" && scopes.split(" ").includes(scope);
}

function refused(why: string): TokenOutcome {
  return { kind: "refused", status: 401, why };
}

function isWrongAudience(cause: unknown): boolean {
  return cause instanceof errors.JWTClaimValidationFailed && cause.claim === "aud";
}

/** Fixed words, so that nothing of the token comes back. */
function reasonOf(cause: unknown): string {
  if (cause instanceof errors.JWTExpired) return "the token has expired";
  if (cause instanceof errors.JWTClaimValidationFailed) {
    return cause.claim === "nbf" ? "the token is not valid yet" : "a claim is missing or wrong";
  }
  if (cause instanceof errors.JWSSignatureVerificationFailed) return "the signature is wrong";
  if (cause instanceof errors.JWKSNoMatchingKey) return "no key of the issuer fits the token";
  if (cause instanceof errors.JOSEAlgNotAllowed) return "the algorithm is not allowed";
  return "the token is malformed";
}
