import type { RecordHeader } from "../../port.ts";
import { ByteWriter, varintBytes } from "./byte-writer.ts";
import { LZ4, packLz4 } from "./compression.ts";
import { crc32c } from "./crc32c.ts";

export interface BatchRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

export interface BatchIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

const MAGIC = 2;

/** Bytes before the checksum, which covers everything behind itself. */
const CHECKED_FROM = 21;
const HEADER_BYTES = 61;
const LENGTH_AT = 8;
const LENGTH_COUNTS_FROM = 12;
const CHECKSUM_AT = 17;

/** A null value has a length below any. */
const NULL_LENGTH = -1;

/** Below it LZ4 costs more than it saves. */
const COMPRESSED_FROM_BYTES = 1_024;

/** Attributes, and the time of each record as the batch's own. */
const NO_ATTRIBUTES = 0;
const NO_DELTA = 0;

/** A record batch of format v2 (KIP-98), LZ4 where that is smaller. */
export function encodeBatch(
  records: readonly BatchRecord[],
  identity: BatchIdentity,
  timestampMs: number,
): Buffer {
  const sizes = records.map(sizeOf);
  const plainBytes = sizes.reduce((sum, size) => sum + varintBytes(size) + size, 0);
  const writer = new ByteWriter(HEADER_BYTES + plainBytes);
  writeHeader(writer, records.length, { identity, timestampMs });
  for (const [index, record] of records.entries()) {
    writeRecord(writer.varint(sizes[index] ?? 0), record, index);
  }
  const plain = writer.finish();
  const batch = plainBytes >= COMPRESSED_FROM_BYTES ? compressed(plain) : plain;
  batch.writeInt32BE(batch.length - LENGTH_COUNTS_FROM, LENGTH_AT);
  batch.writeInt32BE(crc32c(batch, CHECKED_FROM) | 0, CHECKSUM_AT);
  return batch;
}

/** Length and checksum are put in when all else stands. */
function writeHeader(
  writer: ByteWriter,
  count: number,
  stamp: { readonly identity: BatchIdentity; readonly timestampMs: number },
): void {
  const { producerId, producerEpoch, baseSequence } = stamp.identity;
  const time = BigInt(stamp.timestampMs);
  writer.int64(0n).int32(0).int32(-1).int8(MAGIC).int32(0).int16(NO_ATTRIBUTES);
  writer
    .int32(count - 1)
    .int64(time)
    .int64(time);
  writer.int64(producerId).int16(producerEpoch).int32(baseSequence).int32(count);
}

function writeRecord(writer: ByteWriter, record: BatchRecord, offsetDelta: number): void {
  const { key, value, headers } = record;
  writer.int8(NO_ATTRIBUTES).varint(NO_DELTA).varint(offsetDelta);
  writer.varint(key.length).raw(key);
  if (value === null) writer.varint(NULL_LENGTH);
  else writer.varint(value.length).raw(value);
  writer.varint(headers.length);
  for (const header of headers) {
    writer.varint(Buffer.byteLength(header.name)).text(header.name);
    writer.varint(header.value.length).raw(header.value);
  }
}

function sizeOf({ key, value, headers }: BatchRecord, offsetDelta: number): number {
  let size = 1 + varintBytes(NO_DELTA) + varintBytes(offsetDelta) + varintBytes(headers.length);
  const valueBytes = value?.length ?? 0;
  size +=
    varintBytes(key.length) + key.length + varintBytes(value?.length ?? NULL_LENGTH) + valueBytes;
  for (const header of headers) {
    const nameBytes = Buffer.byteLength(header.name);
    size += varintBytes(nameBytes) + nameBytes;
    size += varintBytes(header.value.length) + header.value.length;
  }
  return size;
}

/** The same batch with its records as one LZ4 frame, where that is shorter. */
function compressed(plain: Buffer): Buffer {
  const packed = packLz4(plain.subarray(HEADER_BYTES));
  if (HEADER_BYTES + packed.length >= plain.length) return plain;
  const batch = Buffer.allocUnsafe(HEADER_BYTES + packed.length);
  batch.set(plain.subarray(0, HEADER_BYTES));
  batch.set(packed, HEADER_BYTES);
  batch.writeInt16BE(LZ4, CHECKED_FROM);
  return batch;
}
