import { ERRORS, type ErrFrame, type ErrorCode, type ErrorEntry } from "@millrace/schemas";

/**
 * What the SDK itself has to say, beside the codes of the protocol:
 *
 * - `queue-full`: more publishes wait than may (count or bytes)
 * - `timed-out`: a publish was not settled in time; see `isUnknown`
 * - `closed`: the client was closed by the application
 * - `stopped`: the server said that connecting again is of no use
 * - `handler-failed`: a handler of the application threw; `cause` has it
 */
export type ClientErrorCode =
  | ErrorCode
  | "queue-full"
  | "timed-out"
  | "closed"
  | "stopped"
  | "handler-failed";

export interface MillraceErrorOptions extends ErrorOptions {
  readonly code: ClientErrorCode;
  readonly isRetryable?: boolean;
  readonly isUnknown?: boolean;
}

/** Every failure that reaches the application. */
export class MillraceError extends Error {
  override readonly name = "MillraceError";
  readonly code: ClientErrorCode;
  /** Trying the same later can succeed. */
  readonly isRetryable: boolean;
  /** A publish of which nobody can say whether it stands in the log: the same key settles it. */
  readonly isUnknown: boolean;

  constructor(message: string, options: MillraceErrorOptions) {
    super(message, options);
    this.code = options.code;
    this.isRetryable = options.isRetryable ?? false;
    this.isUnknown = options.isUnknown ?? false;
  }
}

/** A server newer than this SDK may name a code that the table here does not have. */
export function isRetryable(code: ErrorCode): boolean {
  const entry: ErrorEntry | undefined = ERRORS[code];
  return entry?.retry ?? false;
}

export function errorOf({ code, message, unknown }: ErrFrame): MillraceError {
  return new MillraceError(message, {
    code,
    isRetryable: isRetryable(code),
    isUnknown: unknown === true,
  });
}
