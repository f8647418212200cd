import type { Clock } from "@millrace/runtime";

/**
 * How a tail gets on, told by progress and not by answers: a tail that is answered all the time and
 * never gets anything of a log that goes on stands still (C-050).
 */
export class TailProgress {
  readonly #clock: Clock;
  #offset: bigint | undefined;
  /** The log's end, as it was last heard of. */
  #endOffset: bigint | undefined;
  #heardMs: number;
  /** Since when the log is known to go on where the tail stands. */
  #stalledSinceMs: number | undefined;
  /** Since when it has not been at the end that was known at the time. */
  #behindSinceMs: number | undefined;
  /** The tail is told to stand where it is. */
  #isHeld = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#heardMs = clock.nowMs();
  }

  /** How many offsets the tail is behind the log's end; undefined until both are known. */
  get lag(): number | undefined {
    if (this.#offset === undefined || this.#endOffset === undefined) return undefined;
    return Math.max(0, Number(this.#endOffset - this.#offset));
  }

  /** Where the log ends, as was last heard. */
  get endOffset(): bigint | undefined {
    return this.#endOffset;
  }

  /** For how long the tail has not been at the log's end, however fast it moves; 0 where it is there. */
  get lagMs(): number {
    return this.#behindSinceMs === undefined ? 0 : this.#clock.nowMs() - this.#behindSinceMs;
  }

  /** How long ago the log last answered the tail. */
  get silenceMs(): number {
    return this.#clock.nowMs() - this.#heardMs;
  }

  /** For how long the tail has not moved although the log is known to go on; 0 where it is at the end. */
  get stalledMs(): number {
    if (this.#isHeld || this.#stalledSinceMs === undefined) return 0;
    return this.#clock.nowMs() - this.#stalledSinceMs;
  }

  /**
   * The tail was answered, and told of that end. What answers may be what is broken: it can't take back
   * an end that is known already.
   */
  heard(endOffset: bigint): void {
    this.#heardMs = this.#clock.nowMs();
    if (this.#endOffset === undefined || endOffset > this.#endOffset) this.ends(endOffset);
  }

  /** The log ends there, as somebody else was told. */
  ends(endOffset: bigint): void {
    this.#endOffset = endOffset;
    if (this.#isBehind) this.#stalledSinceMs ??= this.#clock.nowMs();
    else this.#stalledSinceMs = undefined;
    this.#noteLag();
  }

  /** The tail goes on there; undefined: nowhere, until there is a partition again. */
  at(offset: bigint | undefined): void {
    if (offset === this.#offset) return;
    this.#offset = offset;
    this.#stalledSinceMs = this.#isBehind ? this.#clock.nowMs() : undefined;
    this.#noteLag();
  }

  /** It stands because it was told to, and no longer. */
  hold(): void {
    this.#isHeld = true;
  }

  /** From now on a tail that does not move stands still by itself. */
  goOn(): void {
    this.#isHeld = false;
    if (this.#stalledSinceMs !== undefined) this.#stalledSinceMs = this.#clock.nowMs();
    if (this.#behindSinceMs !== undefined) this.#behindSinceMs = this.#clock.nowMs();
  }

  /** Another incarnation, or a log that lost its end: what is known of its end holds no longer. */
  forgetEnd(): void {
    this.#endOffset = undefined;
    this.#stalledSinceMs = undefined;
    this.#behindSinceMs = undefined;
  }

  #noteLag(): void {
    if (this.#isBehind) this.#behindSinceMs ??= this.#clock.nowMs();
    else this.#behindSinceMs = undefined;
  }

  get #isBehind(): boolean {
    return (this.lag ?? 0) > 0;
  }
}
