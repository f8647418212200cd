import type { DeviceName, UserId } from "@millrace/schemas";

/** Who stands behind a connection, as its token proved before the 101. */
export interface Identity {
  readonly user: UserId;
  readonly rights: RightPatterns;
  /** The token's `exp`, milliseconds since 1970, without the leeway. */
  readonly expiresAtMs: number;
  readonly device?: DeviceName;
}

/** The token's claim `millrace`: exact ids, prefixes ending in `*`, or `*`. */
export interface RightPatterns {
  readonly read: readonly string[];
  readonly write: readonly string[];
}
