import type { LogRecord } from "@millrace/log";
import type { Logger } from "@millrace/runtime";
import { type ConversationId, type EpochId, partitionOf } from "@millrace/schemas";
import type { EdgeMetrics } from "../metrics.ts";
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
    subscriber.detach();
    if (hub === undefined) {
      hub = new Hub(conversation, tail);
      this.#hubs.set(conversation, hub);
    }
    subscriber.attach(hub);
    return hub;
  }

  /** With its last member the hub ends: a position that nobody keeps up to date is never joined. */
  detach(subscriber: Subscriber): void {
    const hub = subscriber.detach();
    if (hub === undefined || hub.members > 0) return;
    // A hub that was replaced after a break of its partition is no longer the one in the map.
    if (this.#hubs.get(hub.conversation) === hub) this.#hubs.delete(hub.conversation);
  }

  /** One record of a tail, in log order. */
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

  /** All records of a chunk were delivered. */
  passed(): void {
    this.#watch?.passed();
  }

  /**
   * The tail of a partition jumps: what its hubs know is no longer the whole run. Every live
   * subscriber goes back to its own position and finds out from the log what became of the rest.
   */
  break(partition: number): void {
    for (const [conversation, hub] of this.#hubs) {
      if (hub.partition !== partition) continue;
      this.#hubs.delete(conversation);
      for (const subscriber of hub.live) subscriber.fallBehind();
    }
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
