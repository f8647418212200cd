const POSITION_BYTES_MAX = 64;
const QUOTE = 34;

/** `","prev":"` */
const BETWEEN = 10;

/**
 * The last position that a subscription was told, as the bytes that came, so that the continuity of
 * docs/protocol.md §4 is checked for every message without making a text of it.
 */
export class ToldPosition {
  readonly #bytes = Buffer.alloc(POSITION_BYTES_MAX);
  #length = 0;

  get text(): string {
    return this.#bytes.toString("latin1", 0, this.#length);
  }

  tell(position: string): void {
    this.#length = this.#bytes.write(position, "latin1");
  }

  /** A message whose `pos` begins at `at`: true when its `prev` is what was told before. */
  follow(frame: Buffer, at: number): boolean {
    const end = frame.indexOf(QUOTE, at);
    const prevAt = end + BETWEEN;
    const prevEnd = prevAt + this.#length;
    const isNext =
      frame[prevEnd] === QUOTE &&
      frame.compare(this.#bytes, 0, this.#length, prevAt, prevEnd) === 0;
    this.#length = frame.copy(this.#bytes, 0, at, end);
    return isNext;
  }
}
