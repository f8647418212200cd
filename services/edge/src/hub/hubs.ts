import type { LogChunk, LogRecord } from "@millrace/log";
import type { Logger } from "@millrace/runtime";
import { type ConversationId, type EpochId, partitionOf } from "@millrace/schemas";
import type { EdgeMetrics } from "../metrics.ts";
import { RELAY_BUCKETS, bucketOf } from "../relay/relay-bucket.ts";
import type { DeliveryWatch } from "../watch/delivery-watch.ts";
import { Hub } from "./hub.ts";
import { type MessageFrame, messageFrame } from "./message-frame.ts";
import type { Subscriber } from "./subscriber.ts";
import { type Told, told } from "./told.ts";

/** So many of a partition's skipped records are told one by one, later ones when there are ten times as many. */
const TOLD_EACH_MAX = 10;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The conversations that have subscribers on this edge. */
export class Hubs {
  readonly #hubs = new Map<string, Hub>();
  /** Hubs of each bucket that has any. */
  readonly #inBucket = new Map<number, number>();
  /** Of each partition: subscribers that hold one of its hubs. */
  readonly #members = new Map<number, number>();
  readonly #logger: Logger;
  readonly #metrics: EdgeMetrics;
  readonly #watch: DeliveryWatch | undefined;
  /** How many of each partition were skipped. */
  readonly #skipped = new Map<number, number>();

  readonly #partitions: (() => number | undefined) | undefined;

  /** `partitions`: how many keys are spread over; without it nobody looks for misplaced ones. */
  constructor(
    logger: Logger,
    metrics: EdgeMetrics,
    watch?: DeliveryWatch,
    partitions?: () => number | undefined,
  ) {
    this.#partitions = partitions;
    this.#logger = logger;
    this.#metrics = metrics;
    this.#watch = watch;
  }

  get size(): number {
    return this.#hubs.size;
  }

  /**
   * The hub that the subscriber holds while it catches up. One is made at the tail's position when
   * the conversation has none, also when the one it held was broken off since.
   */
  current(subscriber: Subscriber, tail: Told): Hub {
    const { conversation } = subscriber;
    let hub = this.#hubs.get(conversation);
    if (hub !== undefined && hub === subscriber.hub) return hub;
    this.#countMember(subscriber.detach(), -1);
    if (hub === undefined) {
      hub = new Hub(conversation, tail);
      this.#hubs.set(conversation, hub);
      this.#count(hub, 1);
    }
    subscriber.attach(hub);
    this.#countMember(hub, 1);
    return hub;
  }

  /** With its last member the hub ends: a position that nobody keeps up to date is never joined. */
  detach(subscriber: Subscriber): void {
    const hub = subscriber.detach();
    this.#countMember(hub, -1);
    if (hub === undefined || hub.members > 0) return;
    // A hub that was replaced after a break of its partition is no longer the one in the map.
    if (this.#hubs.get(hub.conversation) === hub) this.#delete(hub);
  }

  /** Of a conversation that has subscribers here. */
  find(conversation: ConversationId): Hub | undefined {
    return this.#hubs.get(conversation);
  }

  /** How many subscribers conversations of the partition have, each counted in each conversation. */
  members(partition: number): number {
    return this.#members.get(partition) ?? 0;
  }

  /** Whether conversations of that bucket of the partition have subscribers. */
  hasIn(partition: number, bucket: number): boolean {
    return this.#inBucket.has(partition * RELAY_BUCKETS + bucket);
  }

  /** The next records of a tail, in log order. */
  take({ records, epoch, partition }: LogChunk): void {
    for (const record of records) this.deliver(record, epoch, partition);
    this.#watch?.passed();
  }

  /** One of them. */
  deliver(record: LogRecord, epoch: EpochId, partition: number): void {
    const { key } = record;
    const conversation = keyText(key);
    if (key === null || conversation === undefined) {
      return this.#skip(record, partition, key === null ? "no key" : "key is not UTF-8");
    }
    const hub = this.#hubs.get(conversation);
    if (hub === undefined || hub.partition !== partition) {
      // Beside its conversation's own partition it would stand without any order.
      if (this.#isMisplaced(key, partition))
        this.#skip(record, partition, "key of another partition");
      return;
    }
    const position = told(epoch, partition, record.offset + 1n);
    const receivers = hub.deliver(position, () => this.#decode(record, hub, position));
    if (receivers === 0) return;
    this.#metrics.deliveries.inc(receivers);
    this.#watch?.queued(record, position, receivers);
  }

  #isMisplaced(key: Uint8Array, partition: number): boolean {
    const partitions = this.#partitions?.();
    return partitions !== undefined && partitionOf(key, partitions) !== partition;
  }

  /**
   * One that is no message of ours. It is told by its place alone, what stands in it is nobody's
   * business here; and a producer that writes nothing else does not fill the log.
   */
  #skip({ offset }: LogRecord, partition: number, why: string): void {
    this.#metrics.recordsSkipped.inc();
    const skipped = (this.#skipped.get(partition) ?? 0) + 1;
    this.#skipped.set(partition, skipped);
    if (skipped > TOLD_EACH_MAX && !Number.isInteger(Math.log10(skipped))) return;
    this.#logger.warn({ partition, offset: offset.toString(), why, skipped }, "record skipped");
  }

  /**
   * The tail of a partition jumps: what its hubs know is no longer the whole run. Every live
   * subscriber goes back to its own position and finds out from the log what became of the rest.
   */
  break(partition: number): void {
    for (const hub of this.#hubs.values()) {
      if (hub.partition !== partition) continue;
      this.#delete(hub);
      for (const subscriber of hub.live) subscriber.fallBehind();
    }
  }

  #delete(hub: Hub): void {
    this.#hubs.delete(hub.conversation);
    this.#count(hub, -1);
  }

  #count({ conversation, partition }: Hub, by: 1 | -1): void {
    const place = partition * RELAY_BUCKETS + bucketOf(Buffer.from(conversation));
    const count = (this.#inBucket.get(place) ?? 0) + by;
    if (count > 0) this.#inBucket.set(place, count);
    else this.#inBucket.delete(place);
  }

  #countMember(hub: Hub | undefined, by: 1 | -1): void {
    if (hub === undefined) return;
    const { partition } = hub;
    this.#members.set(partition, this.members(partition) + by);
  }

  #decode(record: LogRecord, hub: Hub, position: Told): MessageFrame | undefined {
    const { conversation, partition } = hub;
    const { epoch } = position;
    const frame = messageFrame(record, { epoch, partition, conversation }, position);
    if (!("undecodable" in frame)) return frame;
    this.#skip(record, partition, frame.undecodable);
    return undefined;
  }
}

/** The key as a conversation id; undefined for no key or bytes that are not UTF-8. */
function keyText(key: Uint8Array | null): ConversationId | undefined {
  if (key === null) return undefined;
  try {
    return decoder.decode(key) as ConversationId;
  } catch {
    // Bytes that are not UTF-8 are no conversation of ours.
    return undefined;
  }
}
