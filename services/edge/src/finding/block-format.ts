import { BLOCK_OFFSETS, Block } from "./block.ts";

/**
 * A block as it is stored:
 *
 *   block = version:u8 bytes:u32 group…       hashes rising
 *   group = hash:u40 count:varint step…       count ≥ 1
 *   step  = varint                            from the place before (the first: from 0), so never 0
 *                                             but for a first one
 *
 * A varint has seven bits a byte, the low ones first. Small numbers are the rule: a conversation that
 * speaks often has its messages close together.
 */
const VERSION = 1;
const HEADER_BYTES = 5;
const HASH_BYTES = 5;
/** 8,192 and below: two bytes, as the count is. */
const STEP_BYTES_MAX = 2;

export function encodeBlock({ bytes, entries }: Block): Buffer {
  const groups = groupsOf(entries);
  const most = (HASH_BYTES + STEP_BYTES_MAX) * groups.length + STEP_BYTES_MAX * entries.length;
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + most);
  buffer.writeUInt8(VERSION, 0);
  buffer.writeUInt32BE(bytes, 1);
  let at = HEADER_BYTES;
  for (const { hash, places } of groups) {
    at = buffer.writeUIntBE(hash, at, HASH_BYTES);
    at = writeVarint(buffer, at, places.length);
    let before = 0;
    for (const place of places) {
      at = writeVarint(buffer, at, place - before);
      before = place;
    }
  }
  return buffer.subarray(0, at);
}

/** Undefined for bytes that are not such a block: it counts as missing. */
export function decodeBlock(
  buffer: Buffer,
  range: { readonly from: bigint; readonly next: bigint },
): Block | undefined {
  if (buffer.length < HEADER_BYTES || buffer[0] !== VERSION) return undefined;
  const entries = new Float64Array(BLOCK_OFFSETS);
  const reader = { buffer, at: HEADER_BYTES };
  const size = Number(range.next - range.from);
  let count = 0;
  let hashBefore = -1;
  while (reader.at < buffer.length) {
    if (reader.at + HASH_BYTES > buffer.length) return undefined;
    const hash = buffer.readUIntBE(reader.at, HASH_BYTES);
    reader.at += HASH_BYTES;
    if (hash <= hashBefore) return undefined;
    hashBefore = hash;
    const places = readPlaces(reader, size);
    if (places === undefined || count + places.length > size) return undefined;
    for (const place of places) entries[count++] = hash * BLOCK_OFFSETS + place;
  }
  const bytes = buffer.readUInt32BE(1);
  return new Block({ ...range, bytes, entries: entries.slice(0, count) });
}

interface Group {
  readonly hash: number;
  readonly places: number[];
}

function groupsOf(entries: Float64Array): Group[] {
  const groups: Group[] = [];
  let group: Group | undefined;
  for (const entry of entries) {
    const place = entry % BLOCK_OFFSETS;
    const hash = (entry - place) / BLOCK_OFFSETS;
    if (group?.hash !== hash) groups.push((group = { hash, places: [] }));
    group.places.push(place);
  }
  return groups;
}

interface Reader {
  readonly buffer: Buffer;
  at: number;
}

/** Rising places below `size`. */
function readPlaces(reader: Reader, size: number): number[] | undefined {
  const count = readVarint(reader);
  if (count === undefined || count < 1 || count > size) return undefined;
  const places: number[] = [];
  let place = 0;
  for (let index = 0; index < count; index++) {
    const step = readVarint(reader);
    if (step === undefined || (step === 0 && index > 0)) return undefined;
    place += step;
    if (place >= size) return undefined;
    places.push(place);
  }
  return places;
}

function writeVarint(buffer: Buffer, at: number, value: number): number {
  if (value < 0x80) return buffer.writeUInt8(value, at);
  return buffer.writeUInt16LE((value & 0x7f) | 0x80 | ((value >>> 7) << 8), at);
}

function readVarint(reader: Reader): number | undefined {
  const first = reader.buffer[reader.at++];
  if (first === undefined || first < 0x80) return first;
  const second = reader.buffer[reader.at++];
  return second === undefined || second >= 0x80 ? undefined : (first & 0x7f) | (second << 7);
}
