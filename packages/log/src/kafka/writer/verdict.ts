import type { SettledOutcome } from "../../port.ts";
import { KAFKA_ERRORS } from "../protocol/error-codes.ts";

/** What an answer says of a batch. */
export type Verdict =
  | { readonly kind: "appended" }
  /** It may or may not be in the log: the same bytes are sent again. */
  | { readonly kind: "unsure" }
  /** The broker knows nothing of the producer any more: the log itself must be read. */
  | { readonly kind: "forgotten" }
  /** As `forgotten`, and nothing of it is in the log. */
  | { readonly kind: "stranger" }
  /** Surely not in the log, and not for its own fault. */
  | { readonly kind: "untouched" }
  /** Surely not in the log, because of one of its records. */
  | { readonly kind: "refused"; readonly outcome: SettledOutcome };

const {
  NONE,
  MESSAGE_TOO_LARGE,
  RECORD_LIST_TOO_LARGE,
  INVALID_RECORD,
  INVALID_TIMESTAMP,
  POLICY_VIOLATION,
  TOPIC_AUTHORIZATION_FAILED,
  CLUSTER_AUTHORIZATION_FAILED,
  NOT_ENOUGH_REPLICAS,
  OUT_OF_ORDER_SEQUENCE_NUMBER,
  INVALID_PRODUCER_EPOCH,
  INVALID_PRODUCER_ID_MAPPING,
  UNKNOWN_PRODUCER_ID,
  DUPLICATE_SEQUENCE_NUMBER,
} = KAFKA_ERRORS;

const TOO_LARGE = new Set<number>([MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE]);
const INVALID = new Set<number>([INVALID_RECORD, INVALID_TIMESTAMP, POLICY_VIOLATION]);
const NOT_AUTHORIZED = new Set<number>([TOPIC_AUTHORIZATION_FAILED, CLUSTER_AUTHORIZATION_FAILED]);
const FORGOTTEN = new Set<number>([
  OUT_OF_ORDER_SEQUENCE_NUMBER,
  INVALID_PRODUCER_EPOCH,
  INVALID_PRODUCER_ID_MAPPING,
  UNKNOWN_PRODUCER_ID,
]);

/**
 * Only errors that the broker gives before it appends, of a batch that no earlier attempt can have
 * brought into the log, mean that it is not there. Everything else is unsure: a time-out, "not
 * enough replicas after the append", and also "not the leader", which comes as well when a leader
 * was deposed while the batch, appended already, waited for its replicas.
 */
export function verdictOf(errorCode: number, isUnsure: boolean): Verdict {
  if (errorCode === NONE) return { kind: "appended" };
  // Appended so long ago that the broker no longer knows where.
  if (errorCode === DUPLICATE_SEQUENCE_NUMBER) return { kind: "forgotten" };
  if (FORGOTTEN.has(errorCode)) return { kind: isUnsure ? "forgotten" : "stranger" };
  const code = refusalOf(errorCode);
  if (code !== undefined) {
    return isUnsure
      ? { kind: "forgotten" }
      : { kind: "refused", outcome: { kind: "refused", code } };
  }
  if (errorCode === NOT_ENOUGH_REPLICAS && !isUnsure) return { kind: "untouched" };
  return { kind: "unsure" };
}

function refusalOf(errorCode: number): "too-large" | "invalid" | "not-authorized" | undefined {
  if (TOO_LARGE.has(errorCode)) return "too-large";
  if (INVALID.has(errorCode)) return "invalid";
  return NOT_AUTHORIZED.has(errorCode) ? "not-authorized" : undefined;
}
