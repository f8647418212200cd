import * as fc from "fast-check";
import { expect, it } from "vitest";
import { hasControlCharacter, percentDecode, percentEncode, utf8Length } from "./text.ts";

/** Any UTF-16 text, lone surrogates included. */
const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0xd7f0, max: 0xe010 }), fc.integer({ min: 0, max: 0xffff })))
  .map((units) => String.fromCharCode(...units));

it("bytes are counted as UTF-8 has them", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(utf8Length(text)).toBe(Buffer.byteLength(text));
    }),
  );
});

it("percent-encoding has one spelling for each text, and leads back to it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const encoded = percentEncode(text);
      expect(encoded).toMatch(/^(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})*$/);
      expect(percentDecode(encoded)).toBe(text);
    }),
  );
  for (const other of ["%61", "%c3%a9", "%C3", "%", "é", "a b"]) {
    expect(percentDecode(other)).toBeUndefined();
  }
});

it("control characters are those of C0 and C1 and DEL", () => {
  const found = Array.from({ length: 0x120 }, (_, code) => code).filter((code) =>
    hasControlCharacter(`a${String.fromCharCode(code)}b`),
  );
  const wanted = Array.from({ length: 0xa0 }, (_, code) => code).filter(
    (code) => code <= 0x1f || code >= 0x7f,
  );
  expect(found).toEqual(wanted);
});
