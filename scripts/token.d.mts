import type { KeyObject } from "node:crypto";

/** The development issuer: its `iss`, the file of its public keys, and the key it signs with. */
export interface DevelopmentIssuer {
  readonly url: string;
  readonly jwks: string;
  readonly kid: string;
  readonly privateKey: KeyObject;
}

export interface TokenOptions {
  /** The token's `sub`. */
  readonly user: string;
  /** Exact ids, prefixes ending in `*`, or `*`; default `room:*`. */
  readonly read?: readonly string[] | undefined;
  readonly write?: readonly string[] | undefined;
  /** Words with one space between them (RFC 8693 §4.2): `millrace:admin` for operators. */
  readonly scope?: string | undefined;
  readonly ttlS?: number | undefined;
  readonly audience?: string | undefined;
  readonly issuer?: string | undefined;
  readonly nowMs?: number | undefined;
  /** Another place for the key: for tests. */
  readonly issuerFolder?: string | undefined;
}

export declare class TokenUsageError extends Error {}

export declare function ensureIssuer(options?: { readonly folder?: string }): DevelopmentIssuer;

/** A signed JWT. Throws a `TokenUsageError` for a user, a pattern or a scope that no token may hold. */
export declare function signToken(options: TokenOptions): string;
