import { messageOf } from "@millrace/runtime";
import type { BoundsOutcome, OffsetOutcome, Unavailable } from "../../port.ts";
import { NotSentError } from "../channel.ts";
import type { KafkaLink } from "../link.ts";
import { KAFKA_ERRORS, kafkaErrorName } from "../protocol/error-codes.ts";
import { type FetchedPartition, SINGLE, fetchRequest } from "../protocol/fetch.ts";
import { EARLIEST, LATEST, listOffsetsRequest } from "../protocol/list-offsets.ts";

const REQUEST_TIMEOUT_MS = 3_000;

/** A new leader has none of its answers ready for a moment, and the old one is still named for another. */
const ELECTION_MS = 2_000;

/** An answer that can't be used; the question may be asked again of whoever leads now. */
class PartitionError extends Error {
  override readonly name = "PartitionError";
  readonly code: number;

  constructor(code: number) {
    super(kafkaErrorName(code));
    this.code = code;
  }
}

/**
 * Small questions about one partition, asked of its leader now. Each is asked again, after the
 * cluster was asked who leads: once where a broker can't be reached, and for as long as an election
 * takes where one answers that it can't tell. Then it is called unavailable.
 */
export class PartitionRequests {
  readonly #link: KafkaLink;

  constructor(link: KafkaLink) {
    this.#link = link;
  }

  bounds(partition: number): Promise<BoundsOutcome> {
    return this.#patiently(() => this.#bounds(partition));
  }

  offsetAtTime(partition: number, timeMs: number): Promise<OffsetOutcome> {
    return this.#patiently(async () => {
      const { epoch, startOffset, endOffset } = await this.#bounds(partition);
      const found = await this.#list(partition, BigInt(Math.max(0, Math.ceil(timeMs))));
      const offset = found < 0n ? endOffset : found;
      return { kind: "offset", epoch, offset: offset < startOffset ? startOffset : offset };
    });
  }

  /** The offsets are listed by the topic's name; the fetch by its id proves whose they are. */
  async #bounds(partition: number) {
    const { epoch } = this.#link;
    if (epoch === undefined) throw new NotSentError("the topic was not reached yet");
    if (partition >= epoch.partitions) throw new NotSentError(`no partition ${partition}`);
    const startOffset = await this.#list(partition, EARLIEST);
    const listedEnd = await this.#list(partition, LATEST);
    const { lastStableOffset } = await this.#fetchEnd(partition, listedEnd);
    if (this.#link.epoch?.id !== epoch.id) throw new PartitionError(KAFKA_ERRORS.UNKNOWN_TOPIC_ID);
    const endOffset = lastStableOffset > listedEnd ? lastStableOffset : listedEnd;
    return { kind: "bounds", epoch: epoch.id, startOffset, endOffset } as const;
  }

  async #list(partition: number, time: bigint): Promise<bigint> {
    const request = listOffsetsRequest({ topic: this.#link.topic, partition, time });
    const listed = await this.#leader(partition).send(request, REQUEST_TIMEOUT_MS);
    if (listed.errorCode !== KAFKA_ERRORS.NONE) throw new PartitionError(listed.errorCode);
    return listed.offset;
  }

  async #fetchEnd(partition: number, offset: bigint): Promise<FetchedPartition> {
    const { topicId } = this.#link;
    if (topicId === undefined) throw new NotSentError("the topic was not reached yet");
    const partitions = [{ partition, offset, bytesMax: 1 }];
    const request = fetchRequest({ ...SINGLE, topicId, bytesMax: 1, partitions });
    const answer = await this.#leader(partition).send(request, REQUEST_TIMEOUT_MS);
    const [fetched] = answer.partitions;
    const code = answer.errorCode === KAFKA_ERRORS.NONE ? fetched?.errorCode : answer.errorCode;
    if (fetched === undefined || code !== KAFKA_ERRORS.NONE) throw new PartitionError(code ?? -1);
    return fetched;
  }

  #leader(partition: number) {
    const leader = this.#link.leaderOf(partition);
    if (leader === undefined) throw new NotSentError(`partition ${partition} has no leader`);
    return this.#link.channel(leader, "control");
  }

  async #patiently<Answer>(ask: () => Promise<Answer>): Promise<Answer | Unavailable> {
    const { clock, logger } = this.#link;
    const untilMs = clock.nowMs() + ELECTION_MS;
    for (let times = 1; ; times++) {
      if (this.#link.isClosed) return { kind: "unavailable", why: "the log was closed" };
      try {
        return await ask();
      } catch (cause) {
        const isElecting = cause instanceof PartitionError && clock.nowMs() < untilMs;
        if (times > 1 && !isElecting) return { kind: "unavailable", why: messageOf(cause) };
        logger.debug({ err: cause }, "asking again");
        await this.#link.refresh();
      }
    }
  }
}
