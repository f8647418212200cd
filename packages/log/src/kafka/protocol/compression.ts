import { gunzipSync } from "node:zlib";
import { decompress as decompressZstd } from "fzstd";
import lz4 from "lz4-napi";
import { uncompress as uncompressSnappy } from "snappyjs";

/** The codec in the low three bits of a batch's attributes. */
const CODEC_MASK = 0x07;
export const LZ4 = 3;

/** The records of a batch, however its producer has packed them. */
export function unpack(bytes: Buffer, attributes: number): Buffer {
  switch (attributes & CODEC_MASK) {
    case 0:
      return bytes;
    case 1:
      return gunzipSync(bytes);
    case 2:
      return unpackSnappy(bytes);
    case LZ4:
      return lz4.decompressFrameSync(bytes);
    case 4:
      return bufferOf(decompressZstd(bytes));
    default:
      throw new RangeError(`unknown compression codec ${attributes & CODEC_MASK}`);
  }
}

export function packLz4(bytes: Buffer): Buffer {
  return lz4.compressFrameSync(bytes);
}

/** Java's snappy streams have a frame of their own: magic, two versions, then sized blocks. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const XERIAL_HEADER_BYTES = 16;

function unpackSnappy(bytes: Buffer): Buffer {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) {
    return bufferOf(uncompressSnappy(bytes));
  }
  const blocks: Buffer[] = [];
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length;) {
    const size = bytes.readInt32BE(at);
    at += 4;
    blocks.push(bufferOf(uncompressSnappy(bytes.subarray(at, at + size))));
    at += size;
  }
  return Buffer.concat(blocks);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
