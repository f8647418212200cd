import type { Clock } from "@millrace/runtime";
import type { EdgeLimits } from "../limits.ts";
import { TokenBucket } from "./token-bucket.ts";

/**
 * The frames of one connection: docs/protocol.md §6, Limits. A frame beyond the bucket is refused;
 * a client that goes on although it was told so `floodRefusals` times within `floodMs` is a flood.
 */
export class FrameRate {
  readonly #clock: Clock;
  readonly #limits: EdgeLimits;
  readonly #bucket: TokenBucket;
  #subscribes: TokenBucket | undefined;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #refused = 0;

  constructor(clock: Clock, limits: EdgeLimits) {
    this.#clock = clock;
    this.#limits = limits;
    const { framesPerSec: perSec } = limits.announced;
    this.#bucket = new TokenBucket({ clock, perSec, burst: limits.frameBurst });
  }

  /** Told often enough. */
  get isFlood(): boolean {
    return this.#refused >= this.#limits.floodRefusals;
  }

  /** What came in one message costs, however few frames it is: 128 KiB of JSON are to be read. */
  spend(bytes: number): void {
    const more = Math.floor(bytes / this.#limits.bytesPerFrame);
    if (more > 0) this.#bucket.spend(more);
  }

  /** 0: one more frame may come; otherwise after how many ms. */
  take(): number {
    const retryMs = this.#bucket.take();
    if (retryMs > 0) this.#noteRefusal();
    return retryMs;
  }

  /** The same for a subscribe, which costs a look at the log: 500 may come at once, and then few. */
  takeSubscribe(): number {
    const { subscribesPerSec: perSec, announced } = this.#limits;
    // Many connections never subscribe.
    this.#subscribes ??= new TokenBucket({
      clock: this.#clock,
      perSec,
      burst: announced.subscriptions,
    });
    const retryMs = this.#subscribes.take();
    if (retryMs > 0) this.#noteRefusal();
    return retryMs;
  }

  /** The window begins with its first refusal: two numbers instead of a list of times. */
  #noteRefusal(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#windowStartMs >= this.#limits.floodMs) {
      this.#windowStartMs = nowMs;
      this.#refused = 0;
    }
    this.#refused += 1;
  }
}
