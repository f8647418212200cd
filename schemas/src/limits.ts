/** The limits that `welcome` announces: docs/protocol.md §1. A client reads them from there. */
export interface AnnouncedLimits {
  /** Bytes of one text message from the client; a larger one is closed with 1009. */
  readonly frameBytes: number;
  /** Bytes of a body in UTF-8. */
  readonly bodyBytes: number;
  /** Bytes of `meta` as JSON. */
  readonly metaBytes: number;
  /** Subscriptions of one connection. */
  readonly subscriptions: number;
  readonly publishPerSec: number;
  readonly publishBurst: number;
  /** Publishes of one connection without an answer. */
  readonly publishesInFlight: number;
  readonly framesPerSec: number;
  /** For how long a repeated key appends nothing. */
  readonly dedupMs: number;
}

/** Frames in one text message of the client. */
export const BATCH_FRAMES_MAX = 1_000;

/** The largest `n` of `{"last": n}` and the largest page of history. */
export const LAST_MAX = 1_000;

/** Bytes of a content type, ASCII. */
export const TYPE_BYTES_MAX = 127;

export const TYPE_DEFAULT = "text/plain";
