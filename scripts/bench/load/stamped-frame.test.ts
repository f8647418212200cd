import { type EpochId, type UserId, formatPosition, parseMessage } from "@millrace/schemas";
import { expect, test } from "vitest";
import {
  FIRST_ID,
  bodyText,
  conversationName,
  publishText,
  pubdId,
  stampOf,
  writeId,
  writeKey,
} from "./stamped-frame.ts";
import { ToldPosition } from "./told-position.ts";

const KEY = { stampUs: 61_234_567_890.7, client: 1_999, count: 42 };

test("the publish that the load side sends is one that the edge accepts, with 200 bytes of JSON", () => {
  const { text, idAt, keyAt } = publishText(conversationName(7));
  const bytes = Buffer.from(text);
  writeId(bytes, idAt, FIRST_ID + 5);
  writeKey(bytes, keyAt, KEY);
  const parsed = parseMessage(bytes.toString(), {
    user: "a" as UserId,
    bodyBytes: 16_384,
    metaBytes: 1_024,
  });
  expect(parsed).toMatchObject({
    frames: [
      { kind: "frame", frame: { t: "pub", id: FIRST_ID + 5, conversation: "room:bench-00007" } },
    ],
  });
  expect(Buffer.byteLength(bodyText())).toBe(200);
  expect(() => JSON.parse(bodyText()) as unknown).not.toThrow();
});

test("stamp and id are found by their place in frames as the edge writes them", () => {
  const { text, keyAt } = publishText(conversationName(7));
  const bytes = Buffer.from(text);
  writeKey(bytes, keyAt, KEY);
  const { key, body } = JSON.parse(bytes.toString()) as { key: string; body: string };
  const message = Buffer.from(
    JSON.stringify({ t: "msg", c: "room:x", type: "text/plain", body, key }),
  );
  expect(stampOf(message, message.length)).toBe(Math.floor(KEY.stampUs));
  const keyless = publishText(conversationName(7), { hasKey: false });
  const publish = Buffer.from(keyless.text);
  writeKey(publish, keyless.keyAt, KEY);
  const fields = JSON.parse(publish.toString()) as { key?: string; body: string };
  expect(fields.key).toBeUndefined();
  const bare = Buffer.from(JSON.stringify({ t: "msg", c: "room:x", body: fields.body }));
  expect(stampOf(bare, bare.length)).toBe(Math.floor(KEY.stampUs));
  const foreign = Buffer.from(JSON.stringify({ t: "msg", c: "room:x", body, ref: "a.1.2" }));
  expect(stampOf(foreign, foreign.length)).toBeNaN();
  const answer = Buffer.from(`xx${JSON.stringify({ t: "pubd", id: FIRST_ID + 9, c: "room:x" })}`);
  expect(pubdId(answer, 2)).toBe(FIRST_ID + 9);
});

function pos(offset: bigint): string {
  return formatPosition({ epoch: "AAAAAAAA" as EpochId, partition: 3, offset });
}

test("a message that does not continue the one before it is noticed, and the next one is judged anew", () => {
  const told = new ToldPosition();
  const follow = (offset: bigint, prev: bigint): boolean => {
    const frame = Buffer.from(`{"pos":"${pos(offset)}","prev":"${pos(prev)}","id":""}`);
    return told.follow(frame, 8);
  };
  told.tell(pos(9n));
  expect(follow(10n, 9n)).toBe(true);
  expect(follow(11n, 10n)).toBe(true);
  expect(follow(13n, 12n)).toBe(false);
  expect(follow(14n, 13n)).toBe(true);
  expect(follow(15n, 1n)).toBe(false);
  expect(told.text).toBe(pos(15n));
});
