/** Grows as needed; all integers big-endian, as Kafka's protocol has them. */
export class ByteWriter {
  #bytes: Buffer;
  #view: DataView;
  #length = 0;

  constructor(bytesExpected = 512) {
    this.#bytes = Buffer.allocUnsafe(bytesExpected);
    this.#view = viewOf(this.#bytes);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written; shares memory with the writer. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  int8(value: number): this {
    const at = this.#grow(1);
    this.#view.setInt8(at, value);
    return this;
  }

  int16(value: number): this {
    const at = this.#grow(2);
    this.#view.setInt16(at, value);
    return this;
  }

  int32(value: number): this {
    const at = this.#grow(4);
    this.#view.setInt32(at, value);
    return this;
  }

  int64(value: bigint): this {
    const at = this.#grow(8);
    this.#view.setBigInt64(at, value);
    return this;
  }

  /** Unsigned varint (KIP-482). */
  uvarint(value: number): this {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.#byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.#byte(rest);
  }

  /** Zigzag varint of a 32-bit integer: lengths and deltas within a record. */
  varint(value: number): this {
    return this.uvarint((value << 1) ^ (value >> 31));
  }

  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** A text alone, without its length. */
  text(text: string): this {
    const at = this.#grow(Buffer.byteLength(text));
    this.#bytes.write(text, at);
    return this;
  }

  /** A string with a 16-bit length; null has the length −1. */
  string(text: string | null): this {
    if (text === null) return this.int16(-1);
    return this.int16(Buffer.byteLength(text)).text(text);
  }

  /** A string of a flexible version: its length + 1 as an unsigned varint, 0 for null. */
  compactString(text: string | null): this {
    if (text === null) return this.uvarint(0);
    return this.uvarint(Buffer.byteLength(text) + 1).text(text);
  }

  compactBytes(bytes: Uint8Array): this {
    return this.uvarint(bytes.length + 1).raw(bytes);
  }

  /** The number of an array's items in a flexible version. */
  compactCount(count: number): this {
    return this.uvarint(count + 1);
  }

  noTags(): this {
    return this.#byte(0);
  }

  #byte(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  /** Where to write; called before the buffer is looked at, because it may replace it. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#length, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
      this.#view = viewOf(grown);
    }
    return at;
  }
}

/** How many bytes `varint` takes for it. */
export function varintBytes(value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let bytes = 1;
  for (; rest > 0x7f; rest >>>= 7) bytes++;
  return bytes;
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
