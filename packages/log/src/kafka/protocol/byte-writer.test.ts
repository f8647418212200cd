import { describe, expect, it } from "vitest";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

describe("a byte writer", () => {
  it.each([0, 1, 2, 3, 5, 7, 8, 13])(
    "loses nothing where it grows, whatever is written there (%i bytes ahead)",
    (ahead) => {
      const writer = new ByteWriter(1).raw(Buffer.alloc(ahead));
      for (let index = 0; index < 200; index++) {
        writer
          .int8(-index % 100)
          .int16(index)
          .int32(index * 1_000)
          .int64(BigInt(index) << 40n);
        writer
          .varint(index - 100)
          .uvarint(index * 77)
          .string(`text ${index}`);
      }
      const reader = new ByteReader(writer.finish());
      reader.skip(ahead);
      for (let index = 0; index < 200; index++) {
        expect(reader.int8() + (index % 100)).toBe(0);
        expect(reader.int16()).toBe(index);
        expect(reader.int32()).toBe(index * 1_000);
        expect(reader.int64()).toBe(BigInt(index) << 40n);
        expect(reader.varint()).toBe(index - 100);
        expect(reader.uvarint()).toBe(index * 77);
        expect(reader.string()).toBe(`text ${index}`);
      }
      expect(reader.left).toBe(0);
    },
  );
});
