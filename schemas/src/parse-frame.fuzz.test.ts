import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { UserId } from "./conversation.ts";
import { ERRORS } from "./error-table.ts";
import { type ParseContext, parseMessage } from "./parse-frame.ts";

const CONTEXT: ParseContext = { user: "alice" as UserId, bodyBytes: 64, metaBytes: 64 };
const TYPES = ["pub", "sub", "unsub", "ack", "skip", "auth", "ping", "other"];
const NAMES = [
  "id",
  "c",
  "to",
  "key",
  "behind",
  "body",
  "type",
  "meta",
  "ref",
  "op",
  "from",
  "pos",
];

const frame = fc
  .record({
    t: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...TYPES) }, fc.jsonValue()),
    fields: fc.dictionary(fc.constantFrom(...NAMES), fc.jsonValue({ maxDepth: 2 })),
  })
  .map(({ t, fields }) => ({ ...fields, t }));

it("whatever a client sends is frames or refusals of the table, and an id comes back as it came", () => {
  fc.assert(
    fc.property(frame, (object) => {
      const text = JSON.stringify(object);
      const parsed = parseMessage(text, CONTEXT);
      if (parsed.kind !== "frames") throw new Error("an object is a frame");
      const [only] = parsed.frames;
      // As the text has it: JSON.stringify writes -0 as 0.
      const id: unknown = (JSON.parse(text) as { id?: unknown }).id;
      if (only?.kind === "refusal") {
        expect(ERRORS).toHaveProperty(only.refusal.code);
        if (only.refusal.id !== undefined) expect(only.refusal.id).toBe(id);
      } else if (only?.kind === "frame") {
        expect(TYPES).toContain(only.frame.t);
        if ("id" in only.frame) expect(only.frame.id).toBe(id);
      }
    }),
    { numRuns: 3_000 },
  );
});

it("no text at all makes the parser throw", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), (text) => {
      expect(["frames", "not-frames"]).toContain(parseMessage(text, CONTEXT).kind);
    }),
    { numRuns: 3_000 },
  );
});
