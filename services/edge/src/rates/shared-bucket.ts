import type { TokenBucket } from "./token-bucket.ts";

export interface SharedBucketOptions {
  readonly bucket: TokenBucket;
  /** So many are let through before the others hear of them. */
  readonly perReport: number;
  /** Tells them; what all together have left then, or undefined. Never rejects. */
  readonly charge: (taken: number) => Promise<number | undefined>;
}

/**
 * An edge's view of a bucket that all edges share. Taking asks nobody, so that a publish waits for
 * nothing and none overtakes another. What was taken is told a few at a time, one report at once, and
 * the answer, less what was taken since, is the most that is left here. It only ever lowers: alone,
 * or without an answer, this is the bucket of one edge.
 *
 * Edges that take in the same instant can take more than there is. That is a debt in the shared
 * bucket, which all of them wait for; so over a time t, k edges let through at most
 * k × burst + perSec × t, and not k times the rate.
 */
export class SharedBucket {
  readonly #options: SharedBucketOptions;
  #untold = 0;
  #isTelling = false;

  constructor(options: SharedBucketOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#options.bucket.isFull;
  }

  /** Takes one and answers 0, or takes none and answers after how many ms there will be one. */
  take(): number {
    const retryMs = this.#options.bucket.take();
    if (retryMs === 0) {
      this.#untold++;
      if (this.#untold >= this.#options.perReport) void this.#tell();
    }
    return retryMs;
  }

  /** Whoever leaves and comes back shall not have been forgotten by the others. */
  end(): void {
    if (this.#untold > 0) void this.#tell();
  }

  /** Never rejects. */
  async #tell(): Promise<void> {
    if (this.#isTelling) return;
    this.#isTelling = true;
    const taken = this.#untold;
    this.#untold = 0;
    const left = await this.#options.charge(taken);
    this.#isTelling = false;
    if (left !== undefined) this.#options.bucket.lower(left - this.#untold);
    if (this.#untold >= this.#options.perReport) void this.#tell();
  }
}
