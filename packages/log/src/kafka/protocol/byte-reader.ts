/**
 * Reads Kafka's primitive types from a response. Reading beyond the end throws a RangeError: a
 * response that is cut short is an error of the connection, never a short answer.
 */
export class ByteReader {
  readonly #bytes: Buffer;
  /** Its reads are one machine instruction each, and of one bigint instead of five. */
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get offset(): number {
    return this.#offset;
  }

  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  /** The same reader, from there on. */
  at(offset: number): this {
    this.#offset = offset;
    return this;
  }

  skip(count: number): void {
    this.#advance(count);
  }

  int8(): number {
    return this.#view.getInt8(this.#advance(1));
  }

  int16(): number {
    return this.#view.getInt16(this.#advance(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4));
  }

  int64(): bigint {
    return this.#view.getBigInt64(this.#advance(8));
  }

  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#view.getUint8(this.#advance(1));
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError("a varint of more than five bytes");
  }

  varint(): number {
    const value = this.uvarint();
    return (value >>> 1) ^ -(value & 1);
  }

  /** Zigzag varint of up to 64 bits; times of a batch lie within 2^53 of each other. */
  varlong(): number {
    // Nearly always 0, or a few milliseconds.
    const first = this.#view.getUint8(this.#offset);
    if (first < 0x80) {
      this.#offset += 1;
      return (first >>> 1) ^ -(first & 1);
    }
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#view.getUint8(this.#advance(1));
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n)));
    }
    throw new RangeError("a varlong of more than ten bytes");
  }

  /** Shares memory with the response. */
  raw(count: number): Buffer {
    const at = this.#advance(count);
    return this.#bytes.subarray(at, at + count);
  }

  string(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.raw(length).toString();
  }

  compactString(): string | null {
    const length = this.uvarint();
    return length === 0 ? null : this.raw(length - 1).toString();
  }

  compactBytes(): Buffer {
    const length = this.uvarint();
    return length === 0 ? this.raw(0) : this.raw(length - 1);
  }

  array<Item>(read: () => Item): Item[] {
    return this.#items(this.int32(), read);
  }

  /** The number of an array's items in a flexible version; −1 for null. */
  compactCount(): number {
    return this.uvarint() - 1;
  }

  compactArray<Item>(read: () => Item): Item[] {
    return this.#items(this.compactCount(), read);
  }

  /** Tagged fields (KIP-482): none of them is used here. */
  skipTags(): void {
    for (let count = this.uvarint(); count > 0; count--) {
      this.uvarint();
      this.skip(this.uvarint());
    }
  }

  #items<Item>(count: number, read: () => Item): Item[] {
    const items: Item[] = [];
    for (let index = 0; index < count; index++) items.push(read());
    return items;
  }

  #advance(count: number): number {
    const at = this.#offset;
    if (count < 0 || at + count > this.#bytes.length) throw new RangeError("response cut short");
    this.#offset = at + count;
    return at;
  }
}
