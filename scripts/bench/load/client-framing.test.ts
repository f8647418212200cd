import { expect, test } from "vitest";
import { headerBytes, payloadBytes, textFrame } from "./client-framing.ts";

function serverFrame(length: number): Buffer {
  const frame = Buffer.alloc(10);
  frame[0] = 0x81;
  if (length < 126) return Buffer.concat([Buffer.from([0x81, length]), Buffer.alloc(length)]);
  if (length < 65_536) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
    return Buffer.concat([frame.subarray(0, 4), Buffer.alloc(length)]);
  }
  frame[1] = 127;
  frame.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([frame, Buffer.alloc(length)]);
}

test.each([0, 1, 125, 126, 4_711, 65_535, 65_536, 100_000])(
  "a server's frame of %d bytes is found wherever it stands, and only when its header is whole",
  (length) => {
    const before = Buffer.from("abc");
    const bytes = Buffer.concat([before, serverFrame(length)]);
    const header = headerBytes(bytes, before.length, bytes.length);
    expect(header + payloadBytes(bytes, before.length)).toBe(bytes.length - before.length);
    for (let end = before.length; end < before.length + header; end++) {
      expect(headerBytes(bytes, before.length, end)).toBe(0);
    }
  },
);

test.each([5, 125, 126, 300])("a text of %d bytes goes out masked, and as it was", (length) => {
  const text = "x".repeat(length);
  const frame = textFrame(text);
  expect(frame[1] ?? 0).toBeGreaterThanOrEqual(0x80);
  const header = length < 126 ? 6 : 8;
  expect(frame.subarray(header - 4, header)).toEqual(Buffer.alloc(4));
  expect(frame.subarray(header).toString()).toBe(text);
});
