import { delay } from "@millrace/runtime";
import type { ChunkCache } from "../../chunk-cache.ts";
import type { ReadOutcome, ReadRequest } from "../../port.ts";
import type { KafkaLink } from "../link.ts";
import { KAFKA_ERRORS } from "../protocol/error-codes.ts";
import { type FetchedPartition, SINGLE, fetchRequest } from "../protocol/fetch.ts";
import type { FetchJudge } from "./fetch-judge.ts";

const ANSWER_TIMEOUT_MS = 3_000;

export interface ScansOptions {
  readonly link: KafkaLink;
  readonly cache: ChunkCache;
  readonly judge: FetchJudge;
}

interface Waiting {
  readonly request: ReadRequest;
  readonly resolve: (outcome: ReadOutcome) => void;
}

/** At most that part of the loop's time goes into the decoding of what scans bring. */
const TIME_SHARE = 0.5;

/** A pause that is shorter is no use to anybody: timers are not that fine. */
const PAUSE_MS_MIN = 1;

/**
 * Reads that do not wait for records: catch-ups. One fetch at a time for each partition, in the order
 * of asking; whoever's turn comes looks into the cache first, so that a crowd that reads the same
 * range reads it once. After a fetch all scans rest as long as its decoding took: however deep
 * somebody reads, the loop has as much time for what is live.
 */
export class Scans {
  readonly #options: ScansOptions;
  readonly #lines = new Map<number, Waiting[]>();
  #restUntilMs = -Infinity;

  constructor(options: ScansOptions) {
    this.#options = options;
  }

  read(request: ReadRequest): Promise<ReadOutcome> {
    const { partition } = request;
    return new Promise((resolve) => {
      const line = this.#lines.get(partition);
      if (line !== undefined) return void line.push({ request, resolve });
      const first = [{ request, resolve }];
      this.#lines.set(partition, first);
      void this.#serve(partition, first);
    });
  }

  async #serve(partition: number, line: Waiting[]): Promise<void> {
    const { cache } = this.#options;
    for (let one = line.shift(); one !== undefined; one = line.shift()) {
      const { offset, epoch } = one.request;
      const cached = cache.get(partition, offset, epoch);
      if (cached !== undefined) {
        one.resolve(cached);
        continue;
      }
      await this.#rest();
      // Only who asked before the fetch is content with what the log had then.
      const same = line.filter(({ request }) => isSame(request, one.request));
      const outcome = await this.#scan(one.request);
      for (const { resolve } of [one, ...same]) resolve(outcome);
      line.splice(0, line.length, ...line.filter((other) => !same.includes(other)));
    }
    this.#lines.delete(partition);
  }

  async #rest(): Promise<void> {
    const { clock } = this.#options.link;
    const restMs = this.#restUntilMs - clock.nowMs();
    if (restMs >= PAUSE_MS_MIN) await delay(clock, restMs);
  }

  #decoded(request: ReadRequest, fetched: FetchedPartition): ReadOutcome {
    const { link, judge } = this.#options;
    const beganMs = link.clock.nowMs();
    const outcome = judge.chunk(request, fetched);
    const endedMs = link.clock.nowMs();
    this.#restUntilMs = endedMs + (endedMs - beganMs) * (1 / TIME_SHARE - 1);
    return outcome;
  }

  async #scan(request: ReadRequest): Promise<ReadOutcome> {
    const { judge } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const fetched = await this.#fetch(request);
      const moved = judge.otherEpoch(request);
      if (moved !== undefined) return moved;
      if (fetched?.errorCode === KAFKA_ERRORS.NONE) return this.#decoded(request, fetched);
      const outcome = await judge.error(request, fetched?.errorCode ?? -1);
      if (outcome !== undefined) return outcome;
      if (attempt > 0) return judge.unavailable(request.partition, fetched?.errorCode);
    }
  }

  /** Undefined where there was no answer of its own for the partition. */
  async #fetch(request: ReadRequest): Promise<FetchedPartition | undefined> {
    const { link } = this.#options;
    const { topicId } = link;
    const { partition, offset, bytesMax } = request;
    const leader = link.leaderOf(partition);
    if (leader === undefined || topicId === undefined) return undefined;
    const partitions = [{ partition, offset, bytesMax }];
    try {
      const channel = link.channel(leader, "scan");
      const wire = fetchRequest({ ...SINGLE, topicId, bytesMax, partitions });
      const answer = await channel.send(wire, ANSWER_TIMEOUT_MS);
      return answer.partitions.find((fetched) => fetched.partition === partition);
    } catch (cause) {
      link.logger.debug({ err: cause, broker: leader, partition }, "a scan failed");
      return undefined;
    }
  }
}

function isSame(one: ReadRequest, other: ReadRequest): boolean {
  return one.offset === other.offset && one.epoch === other.epoch;
}
