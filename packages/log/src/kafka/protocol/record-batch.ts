import type { LogRecord, RecordHeader } from "../../port.ts";
import { ByteReader } from "./byte-reader.ts";
import { unpack } from "./compression.ts";
import type { AbortedTransaction } from "./fetch.ts";

/** What a fetch has brought of one partition, from the asked offset on. */
export interface DecodedRecords {
  readonly records: readonly LogRecord[];
  /** Where reading goes on: behind the last whole batch. */
  readonly next: bigint;
  readonly bytes: number;
}

const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const MAGIC = 2;
const PREFIX_BYTES = 12;
const EMPTY: readonly RecordHeader[] = [];

interface BatchHeader {
  readonly baseOffset: bigint;
  readonly attributes: number;
  readonly lastOffset: bigint;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly producerId: bigint;
  readonly recordCount: number;
}

/**
 * Reads the batches of one partition: records below `offset` are dropped (a fetch from the middle
 * of a batch brings it whole), and so are control records and records of aborted transactions.
 * Throws on bytes that are no record batches of format v2.
 */
export function decodeRecords(
  bytes: Buffer,
  offset: bigint,
  aborted: readonly AbortedTransaction[],
): DecodedRecords {
  const transactions = new OpenAborts(aborted);
  const found: FoundRecords = { from: offset, records: [], bytes: 0 };
  let next = offset;
  for (let at = 0; at + PREFIX_BYTES <= bytes.length;) {
    const size = PREFIX_BYTES + bytes.readInt32BE(at + 8);
    if (at + size > bytes.length) break;
    const isAlone = at === 0 && size === bytes.length;
    const batch = new ByteReader(isAlone ? bytes : bytes.subarray(at, at + size));
    const header = readHeader(batch);
    at += size;
    if (transactions.isVisible(header)) {
      readRecords(unpack(batch.raw(batch.left), header.attributes), header, found);
    }
    if (header.lastOffset >= next) next = header.lastOffset + 1n;
  }
  return { records: found.records, next, bytes: found.bytes };
}

interface FoundRecords {
  readonly from: bigint;
  readonly records: LogRecord[];
  bytes: number;
}

/** Follows KIP-98: an aborted transaction is open from its first offset to its abort marker. */
class OpenAborts {
  readonly #waiting: AbortedTransaction[];
  readonly #open = new Set<bigint>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#waiting =
      aborted.length === 0
        ? []
        : aborted.toSorted((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
  }

  isVisible({ attributes, lastOffset, producerId }: BatchHeader): boolean {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || first.firstOffset > lastOffset) break;
      this.#open.add(first.producerId);
      this.#waiting.shift();
    }
    if ((attributes & CONTROL) !== 0) {
      this.#open.delete(producerId);
      return false;
    }
    return (attributes & TRANSACTIONAL) === 0 || !this.#open.has(producerId);
  }
}

function readHeader(batch: ByteReader): BatchHeader {
  const baseOffset = batch.int64();
  batch.skip(8);
  const magic = batch.int8();
  if (magic !== MAGIC) throw new RangeError(`a record batch of the unsupported format v${magic}`);
  batch.skip(4);
  const attributes = batch.int16();
  const lastOffset = baseOffset + BigInt(batch.int32());
  const baseTimestampMs = Number(batch.int64());
  const maxTimestampMs = Number(batch.int64());
  const producerId = batch.int64();
  batch.skip(6);
  const recordCount = batch.int32();
  return {
    baseOffset,
    attributes,
    lastOffset,
    baseTimestampMs,
    maxTimestampMs,
    producerId,
    recordCount,
  };
}

function readRecords(bytes: Buffer, header: BatchHeader, found: FoundRecords): void {
  const content = new ByteReader(bytes);
  for (let count = 0; count < header.recordCount; count++) {
    const end = content.varint() + content.offset;
    content.skip(1);
    const timestampDelta = content.varlong();
    const offset = header.baseOffset + BigInt(content.varint());
    const record = new StoredRecord(content, offset, timeOf(header, timestampDelta));
    if (offset >= found.from) {
      found.records.push(record);
      found.bytes += record.bytes;
    }
    content.skip(end - content.offset);
  }
}

function timeOf(header: BatchHeader, timestampDelta: number): number {
  const isAppendTime = (header.attributes & LOG_APPEND_TIME) !== 0;
  return isAppendTime ? header.maxTimestampMs : header.baseTimestampMs + timestampDelta;
}

/**
 * A record in the memory of the answer that brought it. Its bounds are checked at once; what stands
 * between them becomes objects when it is asked for: most records are asked for their key alone, and
 * those that wait in a cache for nothing, and each object costs the garbage collector.
 */
class StoredRecord implements LogRecord {
  readonly offset: bigint;
  readonly timestampMs: number;
  /** Of key, value and headers. */
  readonly bytes: number;
  readonly #content: ByteReader;
  readonly #keyAt: number;
  readonly #valueAt: number;
  readonly #headersAt: number;

  constructor(content: ByteReader, offset: bigint, timestampMs: number) {
    this.offset = offset;
    this.timestampMs = timestampMs;
    this.#content = content;
    this.#keyAt = content.offset;
    let bytes = skipBytes(content);
    this.#valueAt = content.offset;
    bytes += skipBytes(content);
    this.#headersAt = content.offset;
    for (let count = content.varint(); count > 0; count--) {
      bytes += skipBytes(content) + skipBytes(content);
    }
    this.bytes = bytes;
  }

  get key(): Buffer | null {
    return readBytes(this.#content.at(this.#keyAt));
  }

  get value(): Buffer | null {
    return readBytes(this.#content.at(this.#valueAt));
  }

  get headers(): readonly RecordHeader[] {
    const content = this.#content.at(this.#headersAt);
    const count = content.varint();
    if (count <= 0) return EMPTY;
    const headers: RecordHeader[] = [];
    for (let index = 0; index < count; index++) {
      const name = content.raw(content.varint()).toString();
      headers.push({ name, value: readBytes(content) ?? new Uint8Array() });
    }
    return headers;
  }
}

function readBytes(content: ByteReader): Buffer | null {
  const length = content.varint();
  return length < 0 ? null : content.raw(length);
}

function skipBytes(content: ByteReader): number {
  const length = Math.max(0, content.varint());
  content.skip(length);
  return length;
}
