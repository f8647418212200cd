import type { ReadOutcome, ReadRequest } from "../../port.ts";
import type { KafkaLink } from "../link.ts";
import { BrokerRounds, type Poll } from "./broker-rounds.ts";
import type { FetchJudge } from "./fetch-judge.ts";

/**
 * Long polls, each in the rounds of the broker that leads its partition.
 *
 * Each is answered once: with records, with progress over a hole, empty after its time, or with the
 * outcome of its own error. An error of one partition is judged beside the rounds, so that it stops
 * only itself.
 */
export class TailPoller {
  readonly #link: KafkaLink;
  readonly #judge: FetchJudge;
  readonly #brokers = new Map<number, BrokerRounds>();

  constructor(link: KafkaLink, judge: FetchJudge) {
    this.#link = link;
    this.#judge = judge;
  }

  poll(request: ReadRequest): Promise<ReadOutcome> {
    const deadlineMs = this.#link.clock.nowMs() + request.waitMs;
    return new Promise((resolve) => {
      this.#enter({ request, deadlineMs, resolve, hasFailed: false });
    });
  }

  #enter(poll: Poll): void {
    const leader = this.#link.leaderOf(poll.request.partition);
    if (leader === undefined) void this.#failed(poll, undefined);
    else this.#rounds(leader).add(poll);
  }

  #rounds(leader: number): BrokerRounds {
    let rounds = this.#brokers.get(leader);
    if (rounds === undefined) {
      rounds = new BrokerRounds({
        link: this.#link,
        judge: this.#judge,
        leader,
        onFailed: (poll, code) => void this.#failed(poll, code),
        onMoved: (poll) => this.#enter(poll),
      });
      this.#brokers.set(leader, rounds);
    }
    return rounds;
  }

  async #failed(poll: Poll, code: number | undefined): Promise<void> {
    const outcome = await this.#judge.error(poll.request, code ?? -1);
    if (outcome !== undefined) return poll.resolve(outcome);
    // Whoever asked may have given up by now, and asks again: that one must not wait for this one.
    const isLate = this.#link.clock.nowMs() >= poll.deadlineMs;
    if (poll.hasFailed || isLate)
      return poll.resolve(this.#judge.unavailable(poll.request.partition, code));
    poll.hasFailed = true;
    this.#enter(poll);
  }
}
