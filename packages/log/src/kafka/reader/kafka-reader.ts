import { ChunkCache } from "../../chunk-cache.ts";
import type {
  BoundsOutcome,
  LogReader,
  OffsetOutcome,
  ReadOutcome,
  ReadRequest,
} from "../../port.ts";
import type { KafkaLink } from "../link.ts";
import { FetchJudge } from "./fetch-judge.ts";
import { PartitionRequests } from "./partition-requests.ts";
import { Scans } from "./scans.ts";
import { TailPoller } from "./tail-poller.ts";

/** Newest bytes and running scans of all partitions together. */
export const LOG_CACHE_BYTES = 67_108_864;

/** Reads of the topic by exact offsets, never through a group. */
export class KafkaReader implements LogReader {
  readonly #cache = new ChunkCache({ bytesMax: LOG_CACHE_BYTES });
  readonly #requests: PartitionRequests;
  readonly #judge: FetchJudge;
  readonly #tails: TailPoller;
  readonly #scans: Scans;

  constructor(link: KafkaLink) {
    const cache = this.#cache;
    this.#requests = new PartitionRequests(link);
    this.#judge = new FetchJudge({ link, cache, requests: this.#requests });
    this.#tails = new TailPoller(link, this.#judge);
    this.#scans = new Scans({ link, cache, judge: this.#judge });
    link.onEpoch(() => cache.clear());
  }

  readFrom(request: ReadRequest): Promise<ReadOutcome> {
    const { partition, offset, epoch } = request;
    const known = this.#judge.otherEpoch(request) ?? this.#cache.get(partition, offset, epoch);
    if (known !== undefined) return Promise.resolve(known);
    return request.waitMs > 0 ? this.#tails.poll(request) : this.#scans.read(request);
  }

  bounds(partition: number): Promise<BoundsOutcome> {
    return this.#requests.bounds(partition);
  }

  offsetAtTime(partition: number, timeMs: number): Promise<OffsetOutcome> {
    return this.#requests.offsetAtTime(partition, timeMs);
  }
}
