import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ConversationId,
  type UserId,
  parseConversation,
  parseUserId,
} from "../conversation.ts";
import { type Position, parsePosition } from "../position.ts";
import {
  type ControlRecord,
  type Ruling,
  controlRecordKey,
  decodeControl,
  encodeControl,
} from "./control.ts";
import { encodeCursor } from "./cursor.ts";

const ALICE = "alice" as UserId;
const ROOM = "room:1" as ConversationId;
const POSITION = parsePosition("Zm9vYmFy.7.4711") as Position;
const BAN: Ruling = { kind: "ban", user: ALICE };
const REMOVAL: Ruling = { kind: "removal", user: ALICE, conversation: ROOM };
const BEGINNING: Ruling = {
  kind: "beginning",
  user: ALICE,
  conversation: ROOM,
  position: POSITION,
};

const user = fc.string({ unit: "grapheme", minLength: 1 }).filter((id) => !!parseUserId(id));
const conversation = fc
  .string({ unit: "grapheme", minLength: 1 })
  .filter((id) => !!parseConversation(id));
const ruling = fc
  .record({
    kind: fc.constantFrom("ban", "removal", "beginning"),
    user,
    conversation,
    untilMs: fc.option(fc.nat(), { nil: undefined }),
  })
  .map(({ kind, untilMs, ...names }): Ruling => {
    const owner = names.user as UserId;
    const place = { user: owner, conversation: names.conversation as ConversationId };
    if (kind === "removal") return { kind, ...place };
    if (kind === "beginning") return { kind, ...place, position: POSITION };
    return { kind: "ban", user: owner, ...(untilMs !== undefined && { untilMs }) };
  });

function recordOf(of: Ruling): ControlRecord {
  return { ruling: of, operator: "olga", ruledAtMs: 1_764_038_400_123 };
}

describe("the record of a ruling", () => {
  it("is read as it was written, whoever and whatever it is about", () => {
    fc.assert(
      fc.property(ruling, (of) => {
        const record = recordOf(of);
        const key = controlRecordKey(of);
        expect(decodeControl(key, encodeControl(record))).toEqual({ kind: "ruled", record });
        const lifted = decodeControl(key, null);
        expect(lifted.kind).toBe("lifted");
        if (lifted.kind !== "lifted") return;
        expect(Buffer.from(controlRecordKey(lifted.subject)).equals(key)).toBe(true);
      }),
    );
  });

  it("shares its key with no ruling about anything else", () => {
    fc.assert(
      fc.property(ruling, ruling, (one, other) => {
        const isSame = JSON.stringify(subjectOf(one)) === JSON.stringify(subjectOf(other));
        const keys = [one, other].map((of) => Buffer.from(controlRecordKey(of)).toString());
        expect(keys[0] === keys[1]).toBe(isSame);
      }),
    );
  });

  it("counts only where key and value name one subject", () => {
    for (const [key, value] of [
      [BAN, REMOVAL],
      [REMOVAL, BEGINNING],
      [REMOVAL, { ...REMOVAL, user: "bob" as UserId }],
      [REMOVAL, { ...REMOVAL, conversation: "room:2" as ConversationId }],
    ] as const) {
      const outcome = decodeControl(controlRecordKey(key), encodeControl(recordOf(value)));
      expect(outcome.kind).toBe("undecodable");
    }
  });

  it.each([
    ["no key", null],
    ["an empty one", ""],
    ["a kind of which nobody knows", "crown/alice"],
    ["a ban with a conversation", "ban/alice/room:1"],
    ["a removal without one", "removal/alice"],
    ["a user that is spelled otherwise", "ban/al%69ce"],
    ["no conversation id", "removal/alice/dm:alice"],
  ])("lifts nothing under %s", (_, key) => {
    const bytes = key === null ? null : Buffer.from(key);
    expect(decodeControl(bytes, null).kind).toBe("undecodable");
    expect(decodeControl(bytes, encodeControl(recordOf(BAN))).kind).toBe("undecodable");
  });

  it("is never made of any other bytes, nor does it throw", () => {
    const cursor = encodeCursor({
      key: { user: ALICE, holder: { kind: "device", name: "d" }, conversation: ROOM },
      position: POSITION,
      ackedAt: 1n,
    });
    expect(decodeControl(controlRecordKey(BAN), cursor).kind).toBe("undecodable");
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (key, value) => {
        expect(decodeControl(key, value).kind).toBe("undecodable");
        const cut = encodeControl(recordOf(BEGINNING)).subarray(0, value.length);
        expect(decodeControl(controlRecordKey(BEGINNING), cut).kind).not.toBe("lifted");
      }),
    );
  });
});

function subjectOf({ kind, ...rest }: Ruling): unknown {
  return [kind, rest.user, "conversation" in rest ? rest.conversation : null];
}
