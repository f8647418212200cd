import type { RecordHeader } from "../../port.ts";
import { ByteWriter } from "./byte-writer.ts";
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
const LENGTH_COUNTS_FROM = 12;

/** A null value has a length below any. */
const NULL_LENGTH = -1;
const NOTHING = new Uint8Array();

/** Below it LZ4 costs more than it saves. */
const COMPRESSED_FROM_BYTES = 1_024;

/** A record batch of format v2 (KIP-98), LZ4 where that is smaller. */
export function encodeBatch(
  records: readonly BatchRecord[],
  identity: BatchIdentity,
  timestampMs: number,
): Buffer {
  const plain = encodeRecords(records);
  const packed = plain.length >= COMPRESSED_FROM_BYTES ? packLz4(plain) : plain;
  const isPacked = packed.length < plain.length;
  const content = isPacked ? packed : plain;
  const time = BigInt(timestampMs);
  const checked = new ByteWriter(HEADER_BYTES - CHECKED_FROM + content.length)
    .int16(isPacked ? LZ4 : 0)
    .int32(records.length - 1)
    .int64(time)
    .int64(time)
    .int64(identity.producerId)
    .int16(identity.producerEpoch)
    .int32(identity.baseSequence)
    .int32(records.length)
    .raw(content)
    .finish();
  return new ByteWriter(CHECKED_FROM + checked.length)
    .int64(0n)
    .int32(CHECKED_FROM - LENGTH_COUNTS_FROM + checked.length)
    .int32(-1)
    .int8(MAGIC)
    .int32(crc32c(checked) | 0)
    .raw(checked)
    .finish();
}

function encodeRecords(records: readonly BatchRecord[]): Buffer {
  const all = new ByteWriter(4_096);
  for (const [index, record] of records.entries()) {
    const one = encodeRecord(record, index);
    all.varint(one.length).raw(one);
  }
  return all.finish();
}

function encodeRecord({ key, value, headers }: BatchRecord, offsetDelta: number): Buffer {
  const content = value ?? NOTHING;
  const one = new ByteWriter(key.length + content.length + 64);
  one.int8(0).varint(0).varint(offsetDelta).varint(key.length).raw(key);
  one
    .varint(value === null ? NULL_LENGTH : content.length)
    .raw(content)
    .varint(headers.length);
  for (const header of headers) {
    const name = Buffer.from(header.name);
    one.varint(name.length).raw(name).varint(header.value.length).raw(header.value);
  }
  return one.finish();
}
