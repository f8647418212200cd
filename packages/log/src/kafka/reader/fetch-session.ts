import {
  type FetchAnswer,
  type FetchPartition,
  type FetchQuery,
  NO_SESSION,
} from "../protocol/fetch.ts";
import { KAFKA_ERRORS } from "../protocol/error-codes.ts";

const EPOCH_MAX = 2 ** 31 - 1;

const { FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR } =
  KAFKA_ERRORS;

const BEGIN_ANEW = new Set<number>([
  FETCH_SESSION_ID_NOT_FOUND,
  INVALID_FETCH_SESSION_EPOCH,
  FETCH_SESSION_TOPIC_ID_ERROR,
]);

/**
 * A fetch session with one broker (KIP-227): the broker remembers what is asked for, so that a
 * request names what has changed and an answer what has come, however many partitions are waited
 * for. Without it each record costs a look at every partition, on both sides.
 *
 * Invariant: `#known` is what the broker has when it has taken the last request. Whatever makes
 * that doubtful (no answer, an error, another topic) ends the session, and the next request names
 * everything again. A broker without room for a session gives none: each request is whole then.
 */
export class FetchSession {
  #topicId: Buffer | undefined;
  #id = NO_SESSION.id;
  #epoch = NO_SESSION.epoch;
  readonly #known = new Map<number, FetchPartition>();
  /** The log's end of each partition when the broker last told it. */
  readonly #ends = new Map<number, bigint>();

  /** What to ask so that the broker waits for exactly those. */
  query(
    topicId: Buffer,
    wanted: ReadonlyMap<number, FetchPartition>,
  ): Pick<FetchQuery, "topicId" | "session" | "partitions" | "forgotten"> {
    if (this.#topicId !== topicId) this.end();
    this.#topicId = topicId;
    const partitions: FetchPartition[] = [];
    for (const [partition, request] of wanted) {
      if (this.#known.get(partition) === request) continue;
      this.#known.set(partition, request);
      partitions.push(request);
    }
    const forgotten: number[] = [];
    if (this.#known.size > wanted.size) {
      for (const partition of this.#known.keys()) {
        if (!wanted.has(partition)) forgotten.push(partition);
      }
      for (const partition of forgotten) this.#known.delete(partition);
    }
    return { topicId, session: { id: this.#id, epoch: this.#epoch }, partitions, forgotten };
  }

  /** Whether what was asked stands: false where it has to be asked anew, for no fault of its own. */
  took(answer: FetchAnswer): boolean {
    if (answer.errorCode !== KAFKA_ERRORS.NONE || answer.sessionId === NO_SESSION.id) this.end();
    else {
      this.#id = answer.sessionId;
      this.#epoch = this.#epoch === EPOCH_MAX ? 1 : this.#epoch + 1;
    }
    for (const { partition, errorCode, lastStableOffset } of answer.partitions) {
      if (errorCode === KAFKA_ERRORS.NONE) this.#ends.set(partition, lastStableOffset);
    }
    return !BEGIN_ANEW.has(answer.errorCode);
  }

  /** The log's end, as far as the session knows: an answer does not repeat what has not changed. */
  endOf(partition: number): bigint | undefined {
    return this.#ends.get(partition);
  }

  end(): void {
    this.#id = NO_SESSION.id;
    this.#epoch = NO_SESSION.epoch;
    this.#known.clear();
    this.#ends.clear();
  }
}
