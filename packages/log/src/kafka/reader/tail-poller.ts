import type { Clock } from "@millrace/runtime";
import type { ReadOutcome, ReadRequest } from "../../port.ts";
import type { KafkaLink } from "../link.ts";
import { KAFKA_ERRORS } from "../protocol/error-codes.ts";
import { type FetchAnswer, fetchRequest } from "../protocol/fetch.ts";
import type { FetchJudge } from "./fetch-judge.ts";

/** A round waits no longer than this, so that who comes meanwhile is soon in the next one. */
const ROUND_MS = 250;
const ROUND_BYTES = 8_388_608;
const ANSWER_TIMEOUT_MS = 3_000;

interface Poll {
  readonly request: ReadRequest;
  readonly deadlineMs: number;
  readonly resolve: (outcome: ReadOutcome) => void;
  /** It has met an error already: the next one is told. */
  hasFailed: boolean;
}

/**
 * Long polls: those of all partitions that one broker leads travel in one fetch, one fetch at a
 * time (a round). A round ends with the first records; whoever reads on within the same turn of
 * the loop is in the next round, so a busy partition never holds up a quiet one for longer than a
 * round.
 *
 * Each poll is answered once: with records, with progress over a hole, empty after its time, or
 * with the outcome of its own error. An error of one partition is judged beside the rounds, so that
 * it stops only itself.
 */
export class TailPoller {
  readonly #link: KafkaLink;
  readonly #clock: Clock;
  readonly #judge: FetchJudge;
  readonly #busy = new Set<number>();
  #waiting: Poll[] = [];
  #isScheduled = false;

  constructor(link: KafkaLink, judge: FetchJudge) {
    this.#link = link;
    this.#clock = link.clock;
    this.#judge = judge;
  }

  poll(request: ReadRequest): Promise<ReadOutcome> {
    const deadlineMs = this.#clock.nowMs() + request.waitMs;
    return new Promise((resolve) => {
      this.#enter({ request, deadlineMs, resolve, hasFailed: false });
    });
  }

  #enter(poll: Poll): void {
    this.#waiting.push(poll);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.endOfTurn(() => {
      this.#isScheduled = false;
      this.#startRounds();
    });
  }

  /** One poll of each partition goes along; what its broker is too busy for stays. */
  #startRounds(): void {
    const rounds = new Map<number, Map<number, Poll>>();
    const staying: Poll[] = [];
    for (const poll of this.#waiting) {
      const { partition } = poll.request;
      const leader = this.#link.leaderOf(partition);
      if (leader === undefined) {
        void this.#failed(poll, undefined);
        continue;
      }
      const round = rounds.get(leader) ?? new Map<number, Poll>();
      if (this.#busy.has(leader) || round.has(partition)) staying.push(poll);
      else rounds.set(leader, round.set(partition, poll));
    }
    this.#waiting = staying;
    for (const [leader, round] of rounds) void this.#round(leader, round);
  }

  async #round(leader: number, polls: ReadonlyMap<number, Poll>): Promise<void> {
    this.#busy.add(leader);
    const answer = await this.#fetch(leader, polls);
    this.#busy.delete(leader);
    const unanswered = new Map(polls);
    for (const fetched of answer?.partitions ?? []) {
      const poll = unanswered.get(fetched.partition);
      if (poll === undefined) continue;
      unanswered.delete(fetched.partition);
      if (fetched.errorCode !== KAFKA_ERRORS.NONE) void this.#failed(poll, fetched.errorCode);
      else this.#took(poll, this.#judge.chunk(poll.request, fetched));
    }
    for (const poll of unanswered.values()) void this.#failed(poll, answer?.errorCode);
    // Others may have come for this broker while it was busy.
    const next = this.#waiting.shift();
    if (next !== undefined) this.#enter(next);
  }

  async #fetch(leader: number, polls: ReadonlyMap<number, Poll>): Promise<FetchAnswer | undefined> {
    const { topicId } = this.#link;
    const nowMs = this.#clock.nowMs();
    const deadlines = [...polls.values()].map(({ deadlineMs }) => deadlineMs - nowMs);
    const waitMs = Math.max(0, Math.ceil(Math.min(ROUND_MS, ...deadlines)));
    const partitions = [...polls.values()].map(({ request }) => request);
    if (topicId === undefined) return undefined;
    const request = fetchRequest({ topicId, waitMs, bytesMax: ROUND_BYTES, partitions });
    try {
      const channel = this.#link.channel(leader, "tail");
      return await channel.send(request, waitMs + ANSWER_TIMEOUT_MS);
    } catch (cause) {
      this.#link.logger.debug({ err: cause, broker: leader }, "a long poll failed");
      return undefined;
    }
  }

  #took(poll: Poll, outcome: ReadOutcome): void {
    const isEmpty = outcome.kind === "chunk" && outcome.next === outcome.from;
    const moved = this.#judge.otherEpoch(poll.request);
    if (moved !== undefined) poll.resolve(moved);
    else if (isEmpty && this.#clock.nowMs() < poll.deadlineMs) this.#enter(poll);
    else poll.resolve(outcome);
  }

  async #failed(poll: Poll, code: number | undefined): Promise<void> {
    const outcome = await this.#judge.error(poll.request, code ?? -1);
    if (outcome !== undefined) return poll.resolve(outcome);
    if (poll.hasFailed) return poll.resolve(this.#judge.unavailable(poll.request.partition, code));
    poll.hasFailed = true;
    this.#enter(poll);
  }
}
