import type { LogRecord, RecordHeader } from "@millrace/log";
import type { EpochId } from "@millrace/schemas";

/**
 * What an owner says about one bucket of its partition: between `base` and `next` these records of
 * the bucket stand in the log, and no others. Without records it is a heartbeat, and says that there
 * were none.
 *
 * It is a statement about the log and true for ever, whoever makes it and whenever it arrives. So a
 * receiver needs no history of its link: it compares `base` with what it has (see `BucketMark`).
 */
export interface RelayPiece {
  readonly epoch: EpochId;
  /** Which run of which owner said it: see `RelayPiece.base` of another run that lies lower. */
  readonly run: string;
  readonly base: bigint;
  /** The owner's watermark: it has handed on everything before it. */
  readonly next: bigint;
  readonly records: readonly LogRecord[];
}

/** The first byte; a piece of another version is no piece to us. */
const VERSION = 1;

const NONE = -1;

/**
 * Big-endian. version u8 · epoch text8 · run text8 · base u64 · next u64 · count u32 · records:
 * offset from base u32 · append time f64 · key bytes32 · value bytes32 · headers u16 × (name text8 ·
 * value bytes32). text8: length u8, UTF-8; bytes32: length i32 (-1: null), bytes.
 */
export function encodePiece(piece: RelayPiece): Buffer {
  const bytes = Buffer.allocUnsafe(sizeOf(piece));
  const writer = new PieceWriter(bytes);
  writer.u8(VERSION);
  writer.text(piece.epoch);
  writer.text(piece.run);
  writer.u64(piece.base);
  writer.u64(piece.next);
  writer.u32(piece.records.length);
  for (const record of piece.records) {
    writer.u32(Number(record.offset - piece.base));
    writer.f64(record.timestampMs);
    writer.bytes(record.key);
    writer.bytes(record.value);
    writer.u16(record.headers.length);
    for (const { name, value } of record.headers) {
      writer.text(name);
      writer.bytes(value);
    }
  }
  return bytes.subarray(0, writer.at);
}

/** Undefined where the bytes are none of ours, or of a version that is not known here. */
export function decodePiece(bytes: Buffer): RelayPiece | undefined {
  const reader = new PieceReader(bytes);
  try {
    if (reader.u8() !== VERSION) return undefined;
    const epoch = reader.text() as EpochId;
    const run = reader.text();
    const base = reader.u64();
    const next = reader.u64();
    const records = Array.from({ length: reader.count() }, () => reader.record(base));
    return { epoch, run, base, next, records };
  } catch (error) {
    // Cut off, or written by somebody else: it says nothing, and what is missing is read from the log.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const FIXED_BYTES = 32;
const RECORD_FIXED_BYTES = 24;
const HEADER_FIXED_BYTES = 8;
const RECORD_BYTES_MIN = 22;

function sizeOf({ epoch, run, records }: RelayPiece): number {
  let size = FIXED_BYTES + 3 * (epoch.length + run.length);
  for (const { key, value, headers } of records) {
    size += RECORD_FIXED_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
    for (const header of headers) {
      size += HEADER_FIXED_BYTES + Buffer.byteLength(header.name) + header.value.length;
    }
  }
  return size;
}

class PieceWriter {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u8(value: number): void {
    this.at = this.#bytes.writeUInt8(value, this.at);
  }

  u16(value: number): void {
    this.at = this.#bytes.writeUInt16BE(value, this.at);
  }

  u32(value: number): void {
    this.at = this.#bytes.writeUInt32BE(value, this.at);
  }

  u64(value: bigint): void {
    this.at = this.#bytes.writeBigUInt64BE(value, this.at);
  }

  f64(value: number): void {
    this.at = this.#bytes.writeDoubleBE(value, this.at);
  }

  text(value: string): void {
    const length = this.#bytes.write(value, this.at + 1);
    this.#bytes.writeUInt8(length, this.at);
    this.at += 1 + length;
  }

  bytes(value: Uint8Array | null): void {
    this.at = this.#bytes.writeInt32BE(value?.length ?? NONE, this.at);
    if (value === null) return;
    this.#bytes.set(value, this.at);
    this.at += value.length;
  }
}

/** Throws RangeError beyond the end of the bytes. */
class PieceReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#advance(8));
  }

  text(): string {
    const length = this.u8();
    const start = this.#advance(length);
    return this.#bytes.toString("utf8", start, start + length);
  }

  /** Of records: never more than the bytes could hold, so that no length word allocates for nothing. */
  count(): number {
    const count = this.#bytes.readUInt32BE(this.#advance(4));
    const rest = this.#bytes.length - this.#at;
    if (count * RECORD_BYTES_MIN > rest) throw new RangeError("more records than bytes");
    return count;
  }

  record(base: bigint): LogRecord {
    const offset = base + BigInt(this.#bytes.readUInt32BE(this.#advance(4)));
    const timestampMs = this.#bytes.readDoubleBE(this.#advance(8));
    const key = this.#slice();
    const value = this.#slice();
    const headers: RecordHeader[] = [];
    const count = this.#bytes.readUInt16BE(this.#advance(2));
    for (let index = 0; index < count; index++) headers.push(this.#header());
    return { offset, timestampMs, key, value, headers };
  }

  #header(): RecordHeader {
    const name = this.text();
    const value = this.#slice();
    if (value === null) throw new RangeError("a header without a value");
    return { name, value };
  }

  #slice(): Uint8Array | null {
    const length = this.#bytes.readInt32BE(this.#advance(4));
    if (length === NONE) return null;
    if (length < 0) throw new RangeError("a negative length");
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  #advance(count: number): number {
    const start = this.#at;
    if (start + count > this.#bytes.length) throw new RangeError("cut off");
    this.#at = start + count;
    return start;
  }
}
