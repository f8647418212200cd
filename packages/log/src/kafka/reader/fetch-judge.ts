import { ownMemory } from "@millrace/runtime";
import type { ChunkCache } from "../../chunk-cache.ts";
import type { ReadOutcome, ReadRequest } from "../../port.ts";
import type { KafkaLink } from "../link.ts";
import { KAFKA_ERRORS, kafkaErrorName } from "../protocol/error-codes.ts";
import type { FetchedPartition } from "../protocol/fetch.ts";
import { decodeRecords } from "../protocol/record-batch.ts";
import type { PartitionRequests } from "./partition-requests.ts";

export interface FetchJudgeOptions {
  readonly link: KafkaLink;
  readonly cache: ChunkCache;
  readonly requests: PartitionRequests;
}

/** What a fetch of one partition means for whoever asked. */
export class FetchJudge {
  readonly #options: FetchJudgeOptions;

  constructor(options: FetchJudgeOptions) {
    this.#options = options;
  }

  /** A fetch without an error: what came goes into the cache. */
  chunk(request: ReadRequest, fetched: FetchedPartition): ReadOutcome {
    const { partition, offset, epoch } = request;
    const { cache, link } = this.#options;
    const end = fetched.lastStableOffset;
    try {
      // They live in a cache, and all that their bytes are a part of lives with them.
      const own = ownMemory(fetched.records);
      const decoded = decodeRecords(own, offset, fetched.abortedTransactions);
      const { records, next, bytes } = decoded;
      const endOffset = end > next ? end : next;
      const chunk = { epoch, partition, from: offset, next, records, bytes, endOffset };
      cache.put(chunk);
      return { kind: "chunk", ...chunk };
    } catch (cause) {
      link.logger.error({ err: cause, partition, offset: String(offset) }, "unreadable batch");
      return { kind: "unavailable", why: "the log holds a batch that can't be read" };
    }
  }

  /** Nothing has come; `end` is the log's, as far as it was told. */
  nothing({ partition, offset, epoch }: ReadRequest, end: bigint | undefined): ReadOutcome {
    const endOffset = end !== undefined && end > offset ? end : offset;
    const place = { epoch, partition, from: offset, next: offset, endOffset };
    return { kind: "chunk", ...place, records: [], bytes: 0 };
  }

  /** An error of the broker; undefined means: ask again, of whoever leads now. */
  async error(request: ReadRequest, code: number): Promise<ReadOutcome | undefined> {
    await this.#options.link.refresh();
    const moved = this.otherEpoch(request);
    if (moved !== undefined || code !== KAFKA_ERRORS.OFFSET_OUT_OF_RANGE) return moved;
    return this.#outside(request);
  }

  /** Nothing of an incarnation is handed on after a newer one was seen. */
  otherEpoch({ epoch, partition }: ReadRequest): ReadOutcome | undefined {
    const { link } = this.#options;
    const current = link.epoch;
    if (link.isClosed) return { kind: "unavailable", why: "the log was closed" };
    if (current === undefined) return { kind: "unavailable", why: "the topic was not reached yet" };
    if (current.id !== epoch) return { kind: "other-epoch", epoch: current };
    if (partition < current.partitions) return undefined;
    return { kind: "unavailable", why: `there is no partition ${partition}` };
  }

  unavailable(partition: number, code?: number): ReadOutcome {
    const why = code === undefined ? "its broker can't be reached" : kafkaErrorName(code);
    return { kind: "unavailable", why: `partition ${partition}: ${why}` };
  }

  /** The current leader is asked for the bounds: the one that said so may have been deposed. */
  async #outside(request: ReadRequest): Promise<ReadOutcome | undefined> {
    const { requests, cache } = this.#options;
    const { partition, offset } = request;
    const bounds = await requests.bounds(partition);
    if (bounds.kind === "unavailable") return bounds;
    if (bounds.epoch !== request.epoch) return this.otherEpoch(request);
    const { startOffset, endOffset } = bounds;
    if (offset < startOffset) return { kind: "below-start", startOffset };
    if (offset <= endOffset) return undefined;
    // What was read there before may have been lost with the old end.
    cache.clear(partition);
    return { kind: "beyond-end", endOffset };
  }
}
