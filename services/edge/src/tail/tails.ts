import type { Epoch, Log } from "@millrace/log";
import { type Clock, delay } from "@millrace/runtime";
import { type ConversationId, partitionOf } from "@millrace/schemas";
import type { Told } from "../hub/told.ts";
import { PartitionTail, type TailOptions } from "./partition-tail.ts";

const POLL_MS = 20;

/** All partitions' tails, and which of them a conversation is in. */
export class Tails {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #options: TailOptions;
  readonly #tails: PartitionTail[] = [];
  readonly #stopListening: () => void;

  constructor(options: TailOptions) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#options = options;
    this.#stopListening = options.log.onEpoch((epoch) => this.#extend(epoch));
    if (options.log.epoch !== undefined) this.#extend(options.log.epoch);
  }

  /** The one partition of a conversation's records; undefined before the log was reached. */
  partitionOf(conversation: ConversationId): number | undefined {
    const { epoch } = this.#log;
    return epoch && partitionOf(Buffer.from(conversation), epoch.partitions);
  }

  position(partition: number): Told | undefined {
    return this.#tails[partition]?.position;
  }

  /** How many partitions' tails have reached the log. */
  get reached(): number {
    return this.#tails.filter((tail) => tail.position !== undefined).length;
  }

  /** The tail's position, waited for while the partition can't be reached; undefined: too late. */
  async whenReached(conversation: ConversationId, waitMs: number): Promise<Told | undefined> {
    const deadlineMs = this.#clock.nowMs() + waitMs;
    for (;;) {
      const partition = this.partitionOf(conversation);
      const position = partition === undefined ? undefined : this.position(partition);
      if (position !== undefined || this.#clock.nowMs() >= deadlineMs) return position;
      await delay(this.#clock, POLL_MS);
    }
  }

  async stop(): Promise<void> {
    this.#stopListening();
    await Promise.all(this.#tails.map((tail) => tail.stop()));
  }

  /** A tail of a partition that an incarnation no longer has waits until one has it again. */
  #extend(epoch: Epoch): void {
    for (let partition = this.#tails.length; partition < epoch.partitions; partition++) {
      const tail = new PartitionTail(partition, this.#options);
      this.#tails.push(tail);
      tail.start();
    }
  }
}
