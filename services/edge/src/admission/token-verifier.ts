import type { Clock } from "@millrace/runtime";
import { type IssuerKeys, claimsOf, hasScope } from "@millrace/runtime/tokens";
import { parseUserId } from "@millrace/schemas";
import type { JWTPayload } from "jose";
import type { Identity, RightPatterns } from "./identity.ts";
import { refuse, refuseToken } from "./refusal.ts";

export interface TokenVerifierOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: IssuerKeys;
  readonly clock: Clock;
}

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
    const { sub, exp, millrace } = await this.#claims(token);
    if (typeof sub !== "string" || sub === "") refuseToken("the token has no sub", "invalid_token");
    const rights = rightsOf(millrace);
    if (rights === undefined) refuseToken("the claim millrace is malformed", "invalid_token");
    const user = parseUserId(sub);
    if (user === undefined) refuse(403, "the user id is too long or no valid text");
    return { user, rights, expiresAtMs: Number(exp) * 1_000 };
  }

  /** The `sub` of a token whose `scope` has that word. Throws a RefusalError. */
  async verifyScope(token: string, scope: string): Promise<string> {
    const claims = await this.#claims(token);
    if (!hasScope(claims, scope)) refuse(403, `the token's scope is not ${scope}`);
    return String(claims.sub);
  }

  async #claims(token: string): Promise<JWTPayload> {
    const outcome = await claimsOf(token, this.#options);
    if (outcome.kind === "claims") return outcome.claims;
    if (outcome.status === 403) return refuse(403, outcome.why);
    return refuseToken(outcome.why, "invalid_token");
  }
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
