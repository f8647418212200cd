import type { Told } from "../hub/told.ts";
import { PartitionTail, type TailFollower, type TailOptions } from "./partition-tail.ts";

export interface PausedReaderOptions {
  readonly partition: number;
  /** Where the paused tail stands. */
  readonly from: Told;
  readonly follower: TailFollower;
  readonly tail: TailOptions;
  /** Whether the follower knows everything before `from`; otherwise a run begins there for it. */
  readonly isInformed: boolean;
}

/**
 * Reads a partition that is paused, for whoever needs to know what stands in its log and hands on none of
 * it: publishes go on, and where Redis can't say which keys were used, the log must.
 *
 * It follows the log only as long as that goes on without a jump. After one the paused tail's place is no
 * longer of the same run, and the reader knows nothing any more: the follower hears of the jump from the
 * tail itself, once that goes on, and from nobody else.
 */
export class PausedReader {
  readonly #tail: PartitionTail;
  #isLost = false;

  constructor({ partition, from, follower, tail, isInformed }: PausedReaderOptions) {
    let hasBegun = false;
    const began = (_: number, position: Told): void => {
      if (hasBegun) this.#lose();
      else if (!isInformed) follower.began(partition, position);
      hasBegun = true;
    };
    this.#tail = new PartitionTail(partition, from, {
      ...tail,
      hubs: { take: () => undefined, break: () => this.#lose() },
      followers: [{ began, passed: (chunk) => this.#isLost || follower.passed(chunk) }],
    });
    this.#tail.start();
  }

  /** Everything before it was handed to the follower; undefined: nobody can say. */
  get position(): Told | undefined {
    return this.#isLost ? undefined : this.#tail.position;
  }

  stop(): Promise<void> {
    return this.#tail.stop();
  }

  #lose(): void {
    this.#isLost = true;
    void this.#tail.stop();
  }
}
