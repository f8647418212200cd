import type { Clock } from "@millrace/runtime";
import { parseUserId } from "@millrace/schemas";
import { type JWTPayload, errors, jwtVerify } from "jose";
import { TOKEN_LEEWAY_MS } from "../connection/token-life.ts";
import type { Identity, RightPatterns } from "./identity.ts";
import type { IssuerKeys } from "./issuer-keys.ts";
import { refuse, refuseToken } from "./refusal.ts";

export interface TokenVerifierOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: IssuerKeys;
  readonly clock: Clock;
}

/** The server's choice, never the token's (RFC 8725 §3.1). */
const ALGORITHMS = ["ES256", "EdDSA", "RS256"];
const TYPES = new Set(["at+jwt", "jwt", "application/at+jwt"]);
const TOKEN_BYTES_MAX = 7_168;
const PATTERNS_MAX = 200;
const PATTERN_LENGTH_MAX = 200;

/** Verifies a JWT (RFC 7519) and reads who its bearer is and what they may do. */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions;

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
  }

  /** Throws a RefusalError for every token that is not in order. */
  async verify(token: string): Promise<Identity> {
    if (token.length > TOKEN_BYTES_MAX) refuseToken("the token is too long", "invalid_token");
    const payload = await this.#payload(token);
    const { sub, exp, millrace } = payload;
    if (typeof sub !== "string" || sub === "") refuseToken("the token has no sub", "invalid_token");
    const rights = rightsOf(millrace);
    if (rights === undefined) refuseToken("the claim millrace is malformed", "invalid_token");
    const user = parseUserId(sub);
    if (user === undefined) refuse(403, "the user id is too long or no valid text");
    return { user, rights, expiresAtMs: Number(exp) * 1_000 };
  }

  /** The `sub` of a token whose `scope` (RFC 8693 §4.2) has that word. Throws a RefusalError. */
  async verifyScope(token: string, scope: string): Promise<string> {
    if (token.length > TOKEN_BYTES_MAX) refuseToken("the token is too long", "invalid_token");
    const { sub, scope: scopes } = await this.#payload(token);
    const hasScope = typeof scopes === "string" && scopes.split(" ").includes(scope);
    if (!hasScope) refuse(403, `the token's scope is not ${scope}`);
    return String(sub);
  }

  async #payload(token: string): Promise<JWTPayload> {
    const { issuer, audience, keys, clock } = this.#options;
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys.keyFor, {
        algorithms: ALGORITHMS,
        issuer,
        audience,
        requiredClaims: ["sub", "exp", "aud", "iss"],
        clockTolerance: TOKEN_LEEWAY_MS / 1_000,
        currentDate: new Date(clock.wallMs()),
      });
      if (TYPES.has(String(protectedHeader.typ).toLowerCase())) return payload;
    } catch (cause) {
      if (isWrongAudience(cause)) refuse(403, "the token is for another audience");
      refuseToken(reasonOf(cause), "invalid_token");
    }
    return refuseToken("typ must be at+jwt or JWT", "invalid_token");
  }
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

function rightsOf(claim: unknown): RightPatterns | undefined {
  if (typeof claim !== "object" || claim === null) return undefined;
  const { read = [], write = [] } = claim as { readonly read?: unknown; readonly write?: unknown };
  return arePatterns(read) && arePatterns(write) ? { read, write } : undefined;
}

function arePatterns(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length <= PATTERNS_MAX &&
    value.every((item) => typeof item === "string" && item.length <= PATTERN_LENGTH_MAX)
  );
}
