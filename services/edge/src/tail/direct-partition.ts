import type { LogChunk } from "@millrace/log";
import type { Told } from "../hub/told.ts";
import { Endings } from "./endings.ts";
import {
  PartitionTail,
  type TailFollower,
  type TailOptions,
  type TailOrigin,
} from "./partition-tail.ts";
import { PausedReader } from "./paused-reader.ts";
import type { PartitionSource } from "./tails.ts";

export interface DirectPartitionOptions extends TailOptions {
  readonly partition: number;
  readonly origin: TailOrigin;
  /** Hears of everything that is read, also while delivery is paused. */
  readonly keys: TailFollower;
}

/**
 * One partition on an edge that reads the whole log: its tail, and, while that is paused and somebody
 * needs the keys, a reader beside it.
 *
 * Invariant: of a run the keys hear each record once and in order, whoever of the two comes first. The
 * reader begins where the tail stands, and what it has told of the tail tells no second time.
 */
export class DirectPartition implements PartitionSource {
  readonly partition: number;
  readonly #options: DirectPartitionOptions;
  readonly #tail: PartitionTail;
  /** The keys have heard everything of the run before it. */
  #toldKeys = 0n;
  #reader: PausedReader | undefined;
  readonly #endings = new Endings();
  readonly #follower: TailFollower = {
    began: (partition, position) => {
      this.#toldKeys = position.offset;
      this.#options.keys.began(partition, position);
    },
    passed: (chunk) => this.#tellKeys(chunk),
  };

  constructor(options: DirectPartitionOptions) {
    const { partition, origin, followers = [] } = options;
    this.partition = partition;
    this.#options = options;
    const all = { ...options, followers: [...followers, this.#follower] };
    this.#tail = new PartitionTail(partition, origin, all);
  }

  get position(): Told | undefined {
    return this.#tail.position;
  }

  get runStart(): Told | undefined {
    return this.#tail.runStart;
  }

  get readPosition(): Told | undefined {
    return this.isPaused ? this.#reader?.position : this.#tail.position;
  }

  get lag(): number | undefined {
    return this.#tail.lag;
  }

  get lagMs(): number {
    return this.#tail.lagMs;
  }

  get nextOffset(): bigint | undefined {
    return this.#tail.nextOffset;
  }

  get endOffset(): bigint | undefined {
    return this.#tail.endOffset;
  }

  get isDirect(): boolean {
    return true;
  }

  get silenceMs(): number {
    return this.#tail.silenceMs;
  }

  get stalledMs(): number {
    return this.#tail.stalledMs;
  }

  get isPaused(): boolean {
    return this.#tail.isPaused;
  }

  positionOf(): Told | undefined {
    return this.#tail.position;
  }

  start(): void {
    this.#tail.start();
  }

  async stop(): Promise<void> {
    this.#endReader();
    await Promise.all([this.#tail.stop(), this.#endings.whenOver()]);
  }

  read(): void {
    const from = this.#tail.position;
    if (!this.isPaused || this.#reader !== undefined || from === undefined) return;
    this.#reader = new PausedReader({
      partition: this.partition,
      from,
      follower: this.#follower,
      tail: this.#options,
      isInformed: true,
    });
  }

  pause(): void {
    this.#tail.pause();
  }

  resume(): void {
    const at = this.#tail.position;
    const isLost = this.#reader !== undefined && this.#reader.position === undefined;
    // What the reader told the keys beyond a jump is not there any more; the tail itself may see no jump.
    if (isLost && at !== undefined) this.#follower.began(this.partition, at);
    this.#endReader();
    this.#tail.resume();
  }

  #endReader(): void {
    this.#endings.add(this.#reader?.stop());
    this.#reader = undefined;
  }

  #tellKeys(chunk: LogChunk): void {
    const from = this.#toldKeys;
    if (chunk.next <= from) return;
    this.#toldKeys = chunk.next;
    const { keys } = this.#options;
    if (chunk.from >= from) return keys.passed(chunk);
    const { epoch, partition, next, bytes, endOffset } = chunk;
    const records = chunk.records.filter(({ offset }) => offset >= from);
    keys.passed({ epoch, partition, from, next, records, bytes, endOffset });
  }
}
