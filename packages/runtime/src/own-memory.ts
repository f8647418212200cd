/**
 * Bytes to keep: a small buffer is a part of a page, which stays as a whole for as long as one of its
 * parts is kept. Copied only where less than half of the memory behind it is its own.
 */
export function ownMemory(bytes: Uint8Array): Buffer {
  const { buffer, byteOffset, length } = bytes;
  if (buffer.byteLength <= 2 * length) return Buffer.from(buffer, byteOffset, length);
  const own = Buffer.allocUnsafeSlow(length);
  own.set(bytes);
  return own;
}
