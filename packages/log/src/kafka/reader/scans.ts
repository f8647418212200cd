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

/**
 * Reads that do not wait for records: catch-ups. One fetch at a time for each partition; whoever
 * comes meanwhile waits for it and then looks into the cache, so that a crowd that reads the same
 * range reads it once.
 */
export class Scans {
  readonly #options: ScansOptions;
  readonly #running = new Map<number, Promise<unknown>>();

  constructor(options: ScansOptions) {
    this.#options = options;
  }

  async read(request: ReadRequest): Promise<ReadOutcome> {
    const { cache } = this.#options;
    const { partition, offset, epoch } = request;
    for (;;) {
      const running = this.#running.get(partition);
      if (running === undefined) break;
      await running;
      const cached = cache.get(partition, offset, epoch);
      if (cached !== undefined) return cached;
    }
    const scan = this.#scan(request).finally(() => this.#running.delete(partition));
    this.#running.set(partition, scan);
    return scan;
  }

  async #scan(request: ReadRequest): Promise<ReadOutcome> {
    const { judge } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const fetched = await this.#fetch(request);
      const moved = judge.otherEpoch(request);
      if (moved !== undefined) return moved;
      if (fetched?.errorCode === KAFKA_ERRORS.NONE) return judge.chunk(request, fetched);
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
