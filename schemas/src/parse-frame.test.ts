import { describe, expect, it } from "vitest";
import type { UserId } from "./conversation.ts";
import { type ParseContext, parseMessage } from "./parse-frame.ts";

const CONTEXT: ParseContext = { user: "alice" as UserId, bodyBytes: 16, metaBytes: 48 };
const POSITION = "Zm9vYmFy.7.4711";

function only(frame: unknown): unknown {
  const parsed = parseMessage(JSON.stringify(frame), CONTEXT);
  if (parsed.kind !== "frames" || parsed.frames.length !== 1) throw new Error("not one frame");
  return parsed.frames[0];
}

/** What the frame is refused with: its code, and what the answer names. */
function refusalOf(frame: unknown): unknown {
  const parsed = only(frame) as { kind: string; refusal?: Record<string, unknown> };
  if (parsed.refusal === undefined) return parsed;
  const { code, id, c, key } = parsed.refusal;
  return { code, ...(id !== undefined && { id }), ...(c !== undefined && { c, key }) };
}

describe("a message of a client", () => {
  it("is one frame or an array of at most 1,000", () => {
    const ping = { t: "ping" };
    expect(parseMessage("[]", CONTEXT)).toEqual({ kind: "frames", frames: [] });
    const full = parseMessage(JSON.stringify(Array.from({ length: 1_000 }, () => ping)), CONTEXT);
    expect(full.kind === "frames" && full.frames.length).toBe(1_000);
    const over = JSON.stringify(Array.from({ length: 1_001 }, () => ping));
    expect(parseMessage(over, CONTEXT).kind).toBe("not-frames");
  });

  it.each([
    ["not JSON", "{"],
    ["nothing", ""],
    ["null", "null"],
    ["a number", "7"],
    ["a string", '"ping"'],
    ["a batch in a batch", '[[{"t":"ping"}]]'],
    ["a batch with a null", '[{"t":"ping"},null]'],
    ["arrays nested 100,000 deep", "[".repeat(100_000) + "]".repeat(100_000)],
  ])("that is %s is none of its frames", (_, text) => {
    expect(parseMessage(text, CONTEXT).kind).toBe("not-frames");
  });

  it("a batch of a million frames is refused before any of them is looked at", () => {
    const text = `[${"{},".repeat(999_999)}{}]`;
    expect(parseMessage(text, CONTEXT)).toEqual({ kind: "not-frames", why: "batch too long" });
  });

  it("never quotes the client's text in what is said of it", () => {
    const parsed = parseMessage('{"secret', CONTEXT);
    expect(parsed).toEqual({ kind: "not-frames", why: "not JSON" });
  });
});

describe("the type and the id of a frame", () => {
  it.each([{}, { t: 7 }, { t: null }, { t: ["pub"] }, { t: { pub: 1 } }, { t: "nope" }, { t: "" }])(
    "%j is bad-frame, and the id comes back digit for digit",
    (frame) => {
      expect(refusalOf(frame)).toEqual({ code: "bad-frame" });
      const id = Number.MAX_SAFE_INTEGER;
      expect(refusalOf({ ...frame, id })).toEqual({ code: "bad-frame", id });
    },
  );

  it.each([2 ** 53, 2 ** 53 + 2, 1.5, -1, "7", null, true, [], {}, 1e300])(
    "%j is no id, and is not repeated",
    (id) => {
      expect(refusalOf({ t: "ping", id })).toEqual({ code: "bad-frame" });
      expect(refusalOf({ t: "pub", id, c: "room:1", key: "k", body: "x" })).toEqual({
        code: "bad-frame",
        c: "room:1",
        key: "k",
      });
    },
  );

  it("-0 is none either", () => {
    const parsed = parseMessage('{"t":"ping","id":-0}', CONTEXT);
    expect(parsed).toMatchObject({ frames: [{ kind: "refusal" }] });
  });

  it.each(["sub", "skip", "auth"])("a %s needs one", (t) => {
    const fields = { c: "room:1", token: "x" };
    expect(refusalOf({ t, ...fields })).toMatchObject({ code: "bad-frame" });
    expect(refusalOf({ t, id: 0, ...fields })).toMatchObject({ kind: "frame" });
  });
});

describe("a pub", () => {
  const pub = { t: "pub", id: 1, c: "room:1", body: "hello" };

  it("is read with its defaults", () => {
    expect(only(pub)).toEqual({
      kind: "frame",
      frame: { t: "pub", id: 1, conversation: "room:1", body: "hello", type: "text/plain" },
    });
  });

  it("is read with all that it may have", () => {
    const fields = { key: "k 1~", behind: 0, type: "text/x;a=b", ref: POSITION, op: "edit" };
    expect(only({ ...pub, ...fields, meta: { a: "b" } })).toMatchObject({
      frame: { ...fields, meta: { a: "b" } },
    });
    const { c: _, ...toBob } = { ...pub, to: "bob" };
    expect(only(toBob)).toMatchObject({ frame: { conversation: "dm:alice:bob", to: "bob" } });
  });

  it.each([
    ["bad-frame", { body: undefined }],
    ["bad-frame", { body: 7 }],
    ["bad-frame", { body: null }],
    ["bad-body", { body: "\ud83d" }],
    ["bad-body", { body: "a\udf38b" }],
    ["body-too-large", { body: "x".repeat(17) }],
    ["body-too-large", { body: "€€€€€€" }],
    ["bad-key", { key: "" }],
    ["bad-key", { key: "k".repeat(65) }],
    ["bad-key", { key: "é" }],
    ["bad-key", { key: "a\n" }],
    ["bad-frame", { key: 7 }],
    ["bad-frame", { behind: "1" }],
    ["bad-frame", { type: "text" }],
    ["bad-frame", { type: `text/${"x".repeat(128)}` }],
    ["bad-frame", { type: null }],
    ["bad-frame", { meta: [] }],
    ["bad-frame", { meta: { a: 1 } }],
    ["bad-frame", { meta: "a" }],
    ["body-too-large", { meta: { a: "x".repeat(48) } }],
    ["bad-body", { meta: { a: "\ud800" } }],
    ["bad-body", { meta: { "\ud800": "a" } }],
    ["bad-position", { ref: "nowhere" }],
    ["bad-frame", { ref: 7 }],
    ["bad-frame", { op: "edit" }],
    ["bad-frame", { op: "undo", ref: POSITION }],
    ["bad-frame", { to: "bob" }],
    ["bad-conversation", { c: "" }],
    ["bad-frame", { c: 7 }],
  ])("%s: %j", (code, fields) => {
    expect(refusalOf({ ...pub, ...fields })).toEqual({ code, id: 1 });
  });

  it("a field named __proto__ or constructor reaches nothing", () => {
    const text = `{"t":"pub","id":1,"c":"room:1","body":"x","__proto__":{"isAdmin":true},
      "constructor":{"prototype":{"x":1}},"meta":{"__proto__":"a","constructor":"b"}}`;
    const parsed = parseMessage(text, CONTEXT);
    const [frame] = parsed.kind === "frames" ? parsed.frames : [];
    if (frame?.kind !== "frame" || frame.frame.t !== "pub") throw new Error("refused");
    expect(Object.entries(frame.frame.meta ?? {})).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
    ]);
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
    expect(({} as { x?: number }).x).toBeUndefined();
    // What is inherited does not count as given.
    expect(refusalOf({ t: "toString", id: 1 })).toEqual({ code: "bad-frame", id: 1 });
  });
});

describe("a sub", () => {
  const sub = { t: "sub", id: 1, c: "room:1" };

  it.each([
    [undefined, { kind: "live" }],
    ["live", { kind: "live" }],
    ["acked", { kind: "acked" }],
    ["earliest", { kind: "earliest" }],
    [{ last: 1_000 }, { kind: "last", count: 1_000 }],
    [{ time: -1.5 }, { kind: "time", timeMs: -1.5 }],
    [
      { after: POSITION },
      {
        kind: "after",
        position: { epoch: "Zm9vYmFy", partition: 7, offset: 4711n },
        text: POSITION,
      },
    ],
  ])("from %j", (from, expected) => {
    expect(only({ ...sub, from })).toEqual({
      kind: "frame",
      frame: { t: "sub", id: 1, conversation: "room:1", from: expected },
    });
  });

  it.each([
    ["bad-frame", "latest"],
    ["bad-frame", null],
    ["bad-frame", 7],
    ["bad-frame", []],
    ["bad-frame", {}],
    ["bad-frame", { last: 0 }],
    ["bad-frame", { last: 1_001 }],
    ["bad-frame", { last: 1.5 }],
    ["bad-frame", { last: "5" }],
    ["bad-frame", { time: "now" }],
    ["bad-frame", { time: null }],
    ["bad-frame", { last: 1, time: 2 }],
    ["bad-frame", { after: 7 }],
    ["bad-position", { after: "Zm9vYmFy.7" }],
  ])("%s: from %j", (code, from) => {
    expect(refusalOf({ ...sub, from })).toEqual({ code, id: 1 });
  });
});

describe("an ack", () => {
  it("names a position", () => {
    expect(only({ t: "ack", c: "room:1", pos: POSITION })).toMatchObject({ kind: "frame" });
    expect(refusalOf({ t: "ack", c: "room:1", pos: "x" })).toMatchObject({ code: "bad-position" });
    expect(refusalOf({ t: "ack", c: "room:1" })).toMatchObject({ code: "bad-frame" });
  });
});
