import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Message, VALUE_BYTES_MAX, decodeMessage, encodeMessage } from "./message.ts";
import { newMessageId } from "./message-id.ts";

const MESSAGE: Message = {
  id: "01890a5d-ac96-774b-bcce-b302099a8057",
  conversation: "room:1",
  sender: "alice",
  recipient: null,
  group: "room:1",
  key: "k-1",
  contentType: "text/plain",
  content: "hello",
  meta: { lang: "en" },
  ref: null,
  op: null,
  sentAt: 1_764_038_400_123n,
};

/** A text as Avro has it, shorter than 64 bytes. */
function text(of: string): string {
  return String.fromCharCode(of.length * 2) + of;
}

function why(value: Uint8Array): string {
  const outcome = decodeMessage(value);
  return outcome.kind === "undecodable" ? outcome.why : "decoded";
}

describe("the record of a message", () => {
  it("is the wire format of Confluent, byte for byte as the schema says", () => {
    const value = Buffer.from(encodeMessage({ ...MESSAGE, meta: {}, key: null, sentAt: 1n }));
    const body = `${text(MESSAGE.id)}${text("room:1")}${text("alice")}\0\u0002${text("room:1")}\0`;
    const rest = `${text("text/plain")}${text("hello")}\0\0\0\u0002`;
    expect(value.toString("latin1")).toBe(`\0\0\0\0\u0001${body}${rest}`);
  });

  it("comes back as it went in, whatever its texts and numbers", () => {
    const anyText = fc.string({ unit: "grapheme", maxLength: 40 });
    const optional = fc.option(anyText);
    const anyMessage = fc.record({
      id: fc.uuid(),
      conversation: anyText,
      sender: anyText,
      recipient: optional,
      group: optional,
      key: optional,
      contentType: anyText,
      content: anyText,
      meta: fc.dictionary(fc.oneof(anyText, fc.constant("__proto__")), anyText, {
        noNullPrototype: true,
      }),
      ref: optional,
      op: optional,
      sentAt: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    });
    fc.assert(
      fc.property(anyMessage, (message) => {
        const decoded = decodeMessage(encodeMessage(message));
        expect(decoded).toEqual({ kind: "message", message });
      }),
    );
  });

  it("keeps a meta key named __proto__ as one of its own", () => {
    const meta = JSON.parse('{"__proto__":"a","toString":"b"}') as Record<string, string>;
    const decoded = decodeMessage(encodeMessage({ ...MESSAGE, meta }));
    if (decoded.kind !== "message") throw new Error(decoded.why);
    expect(JSON.stringify(decoded.message.meta)).toBe('{"__proto__":"a","toString":"b"}');
    expect(({} as { a?: string }).a).toBeUndefined();
  });

  it("that is none is told apart from one, and never throws", () => {
    const good = Buffer.from(encodeMessage(MESSAGE));
    const withByte = (index: number, byte: number): Buffer => {
      const copy = Buffer.from(good);
      copy[index] = byte;
      return copy;
    };
    expect(why(good.subarray(0, 4))).toBe("too short");
    expect(why(withByte(0, 1))).toBe("no schema id");
    expect(why(withByte(4, 99))).toBe("unknown schema id 99");
    expect(why(good.subarray(0, good.length - 1))).toMatch(/truncated|not of its schema/);
    expect(why(Buffer.concat([good, Buffer.from("x")]))).toBe("truncated or too long");
    expect(why(Buffer.alloc(VALUE_BYTES_MAX + 1))).toBe("too large");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        why(bytes);
        why(Buffer.concat([good.subarray(0, 5), bytes]));
      }),
    );
  });
});

describe("a message id", () => {
  it("is a UUIDv7 that rises, also within a millisecond and when the clock steps back", () => {
    const times = [1_000, 1_000, 1_001, 500, 500, 2_000];
    const many = Array.from({ length: 10_000 }, () => 1_764_038_400_123);
    const ids = [...times, ...many, 1_764_038_400_000].map(newMessageId);
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
    expect(ids).toEqual(ids.toSorted());
    expect(new Set(ids).size).toBe(ids.length);
  });
});
