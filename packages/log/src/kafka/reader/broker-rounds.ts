import type { ReadOutcome, ReadRequest } from "../../port.ts";
import type { KafkaLink } from "../link.ts";
import { KAFKA_ERRORS } from "../protocol/error-codes.ts";
import { type FetchAnswer, type FetchedPartition, fetchRequest } from "../protocol/fetch.ts";
import type { FetchJudge } from "./fetch-judge.ts";
import { FetchSession } from "./fetch-session.ts";

/** A round waits no longer than this, so that who comes meanwhile is soon in the next one. */
const ROUND_MS = 250;
const ROUND_BYTES = 8_388_608;
const ANSWER_TIMEOUT_MS = 3_000;

/** One long poll on its way. */
export interface Poll {
  readonly request: ReadRequest;
  readonly deadlineMs: number;
  readonly resolve: (outcome: ReadOutcome) => void;
  /** It has met an error already: the next one is told. */
  hasFailed: boolean;
}

export interface BrokerRoundsOptions {
  readonly link: KafkaLink;
  readonly judge: FetchJudge;
  readonly leader: number;
  /** An error of its own, or none of an answer at all. */
  readonly onFailed: (poll: Poll, code: number | undefined) => void;
  /** Its partition is led by another broker now. */
  readonly onMoved: (poll: Poll) => void;
}

/**
 * The long polls of the partitions that one broker leads: they stand together in one fetch, one
 * fetch at a time (a round), and a poll stays from round to round until something has come for it.
 * A round ends with the first records; whoever reads on within the same turn of the loop is in the
 * next one, so a busy partition never holds up a quiet one for longer than a round.
 */
export class BrokerRounds {
  readonly #options: BrokerRoundsOptions;
  readonly #session = new FetchSession();
  /** One of each partition goes along. */
  readonly #polls = new Map<number, Poll>();
  readonly #requests = new Map<number, ReadRequest>();
  #others: Poll[] = [];
  #isBusy = false;
  #isScheduled = false;

  constructor(options: BrokerRoundsOptions) {
    this.#options = options;
  }

  add(poll: Poll): void {
    const { partition } = poll.request;
    if (this.#polls.has(partition)) this.#others.push(poll);
    else {
      this.#polls.set(partition, poll);
      this.#requests.set(partition, poll.request);
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isBusy || this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.link.clock.endOfTurn(() => {
      this.#isScheduled = false;
      this.#begin();
    });
  }

  #begin(): void {
    const { link } = this.#options;
    const nowMs = link.clock.nowMs();
    let waitMs = ROUND_MS;
    for (const poll of this.#polls.values()) {
      if (this.#stays(poll)) waitMs = Math.min(waitMs, poll.deadlineMs - nowMs);
    }
    // Where all have left, those that waited for their places may have to follow them.
    if (this.#polls.size === 0) return this.#end();
    this.#isBusy = true;
    this.#fetch(Math.max(0, Math.ceil(waitMs))).then(
      (answer) => this.#took(answer),
      (cause: unknown) => this.#failed(cause),
    );
  }

  /** False: it has left, because its partition is led by another broker, or is another one. */
  #stays(poll: Poll): boolean {
    const { link, judge, leader, onMoved } = this.#options;
    const moved = judge.otherEpoch(poll.request);
    const isHere = link.leaderOf(poll.request.partition) === leader;
    if (moved === undefined && isHere) return true;
    this.#remove(poll);
    if (moved !== undefined) poll.resolve(moved);
    else onMoved(poll);
    return false;
  }

  #fetch(waitMs: number): Promise<FetchAnswer> {
    const { link, leader } = this.#options;
    const { topicId } = link;
    if (topicId === undefined) return Promise.reject(new Error("the topic was not reached yet"));
    const query = this.#session.query(topicId, this.#requests);
    const request = fetchRequest({ ...query, waitMs, bytesMax: ROUND_BYTES });
    return link.channel(leader, "tail").send(request, waitMs + ANSWER_TIMEOUT_MS);
  }

  #took(answer: FetchAnswer): void {
    const isAsked = this.#session.took(answer);
    if (answer.errorCode !== KAFKA_ERRORS.NONE && isAsked) this.#failAll(answer.errorCode);
    for (const fetched of answer.partitions) {
      const poll = this.#polls.get(fetched.partition);
      if (poll !== undefined) this.#tell(poll, fetched);
    }
    this.#expire();
    this.#end();
  }

  #tell(poll: Poll, fetched: FetchedPartition): void {
    const { judge, onFailed } = this.#options;
    if (fetched.errorCode !== KAFKA_ERRORS.NONE) {
      this.#remove(poll);
      onFailed(poll, fetched.errorCode);
    } else if (fetched.records.length > 0) {
      const outcome = judge.otherEpoch(poll.request) ?? judge.chunk(poll.request, fetched);
      if (outcome.kind === "chunk" && outcome.next === outcome.from) return;
      this.#remove(poll);
      poll.resolve(outcome);
    }
  }

  /** Those whose time is over are told that nothing has come. */
  #expire(): void {
    const nowMs = this.#options.link.clock.nowMs();
    for (const poll of this.#polls.values()) {
      if (nowMs < poll.deadlineMs) continue;
      this.#remove(poll);
      const { judge } = this.#options;
      const end = this.#session.endOf(poll.request.partition);
      poll.resolve(judge.otherEpoch(poll.request) ?? judge.nothing(poll.request, end));
    }
  }

  #failed(cause: unknown): void {
    const { link, leader } = this.#options;
    link.logger.debug({ err: cause, broker: leader }, "a long poll failed");
    this.#session.end();
    this.#failAll(undefined);
    this.#end();
  }

  #failAll(code: number | undefined): void {
    for (const poll of this.#polls.values()) {
      this.#remove(poll);
      this.#options.onFailed(poll, code);
    }
  }

  #end(): void {
    this.#isBusy = false;
    if (this.#others.length > 0) this.#takeTurns();
    if (this.#polls.size > 0) this.#schedule();
  }

  /** Who stands in a partition's place gives it to the first of those that wait for it. */
  #takeTurns(): void {
    const others = this.#others;
    this.#others = [];
    const changed = new Set<number>();
    for (const poll of others) {
      const { partition } = poll.request;
      const standing = this.#polls.get(partition);
      if (standing !== undefined && !changed.has(partition)) {
        this.#remove(standing);
        this.#others.push(standing);
      }
      changed.add(partition);
      this.add(poll);
    }
  }

  #remove(poll: Poll): void {
    this.#polls.delete(poll.request.partition);
    this.#requests.delete(poll.request.partition);
  }
}
