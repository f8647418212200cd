/**
 * The partition of a record key, as Kafka's own clients choose it: murmur2 of the key's bytes, made
 * positive by dropping the sign bit, modulo the number of partitions (org.apache.kafka.common.utils
 * .Utils#murmur2 and BuiltInPartitioner#partitionForKey). Every writer must agree, or one
 * conversation would stand in two partitions: this is the only such function in the code.
 */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

/** MurmurHash2, 32 bits, little-endian, with the seed Kafka uses; a signed 32-bit integer. */
export function murmur2(data: Uint8Array): number {
  const length = data.length;
  let hash = SEED ^ length;
  const wholeWordsEnd = length & ~3;
  for (let index = 0; index < wholeWordsEnd; index += 4) {
    let word = wordAt(data, index);
    word = Math.imul(word, M);
    word ^= word >>> R;
    word = Math.imul(word, M);
    hash = Math.imul(hash, M) ^ word;
  }
  const rest = length - wholeWordsEnd;
  if (rest > 0) {
    for (let index = rest - 1; index >= 0; index--) {
      hash ^= byteAt(data, wholeWordsEnd + index) << (8 * index);
    }
    hash = Math.imul(hash, M);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return hash ^ (hash >>> 15);
}

function wordAt(data: Uint8Array, index: number): number {
  return (
    byteAt(data, index) |
    (byteAt(data, index + 1) << 8) |
    (byteAt(data, index + 2) << 16) |
    (byteAt(data, index + 3) << 24)
  );
}

function byteAt(data: Uint8Array, index: number): number {
  return data[index] ?? 0;
}
